/**
 * Moto's stand-in for S3 in a process of its own: the machine's (`moto_server` on the path, or in the folder that TRAINYARD_TEST_MOTO names), or one
 * that is installed from PyPI into the folder that TRAINYARD_TEST_SERVICES names (it needs Python 3).
 */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { delimiter, join } from "node:path"
import * as Installed from "../../installed.ts"

export interface Moto {
  readonly address: string
  /** Variables by which the address is found. */
  readonly environment: Readonly<Record<string, string>>
  readonly stop: () => void
}

const bucket = "trainyard"

/** The machine's program; undefined where there is none. */
export const program = (): string | undefined =>
  [process.env.TRAINYARD_TEST_MOTO ?? "", ...(process.env.PATH ?? "").split(delimiter)]
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, "moto_server"))
    .find((file) => existsSync(file))

/** Installs it, once; gives its program. */
export const install = (cache: string): string =>
  join(Installed.python(cache, ["moto[server]==5.2.5"]), "moto_server")

/** Starts one with a bucket. Fails with moto's own words where it does not start. */
export const start = async (program: string): Promise<Moto> => {
  // The shell ends it when this process is gone, which may be killed.
  const script = '"$0" -H 127.0.0.1 -p 0 & read -r _; kill $!'
  const child = spawn("sh", ["-c", script, program], { stdio: ["pipe", "pipe", "pipe"] })
  const endpoint = await new Promise<string>((resolve, reject) => {
    let said = ""
    const hear = (text: string) => {
      said += text
      const found = /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(said)
      if (found !== null) resolve(found[1]!)
    }
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", hear)
    child.on("error", reject)
    child.on("close", () => reject(new Error(`moto_server ended: ${said}`)))
  })
  const { ok, status } = await fetch(`${endpoint}/${bucket}`, { method: "PUT" })
  if (!ok) throw new Error(`moto_server makes no bucket: status ${status}`)
  return {
    address: `s3://${bucket}`,
    environment: {
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: "stand-in",
      AWS_SECRET_ACCESS_KEY: "stand-in"
    },
    stop: () => child.stdin.end()
  }
}
