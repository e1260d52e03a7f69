/**
 * A PostgreSQL of the tests' own: the machine's (`initdb` on the path, in /usr/lib/postgresql or in the folder that TRAINYARD_TEST_POSTGRES
 * names), in a temporary folder. Undefined where there is none.
 */
import { spawnSync } from "node:child_process"
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"

const debian = "/usr/lib/postgresql"

/** The folder of PostgreSQL's programs; undefined where there is none. */
export const programs = (): string | undefined =>
  [
    process.env.TRAINYARD_TEST_POSTGRES ?? "",
    ...(process.env.PATH ?? "").split(delimiter),
    ...(existsSync(debian) ? readdirSync(debian).map((version) => join(debian, version, "bin")) : [])
  ].find((folder) => folder !== "" && existsSync(join(folder, "initdb")))

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

/** Starts one. PostgreSQL refuses to run as root: then it is the system's user `postgres`. */
export const start = async (bin: string): Promise<Postgres> => {
  const home = mkdtempSync(join(tmpdir(), "trainyard-postgres-"))
  const port = await freePort()
  const isRoot = process.getuid?.() === 0
  const id = (flag: string) => Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout)
  const owner = isRoot ? { uid: id("-u"), gid: id("-g") } : {}
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
