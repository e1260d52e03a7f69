/**
 * Starts what runs on several machines need, for trials on this one: a PostgreSQL and a store like S3. Prints their addresses; Ctrl-C stops both
 * and removes what they keep.
 *
 *     npm run services
 *
 * Says what it found and what it installs. What the machine lacks comes from npm and PyPI, into node_modules/.cache/trainyard-services or into the
 * folder that TRAINYARD_TEST_SERVICES names. Where moto cannot be installed, the store is the tests' own stand-in, which keeps its objects in memory.
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

const say = (text: string) => Effect.sync(() => void process.stdout.write(`${text}\n`))

/** The words of an error, the last line of which says most. */
const lastLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).trim().split("\n").at(-1) ?? ""

const database = Effect.gen(function* () {
  const found = Postgres.programs()
  yield* say(
    found === undefined
      ? `PostgreSQL: none on this machine. Installing it from npm into ${cache}, unless it is there.`
      : `PostgreSQL: ${found}`
  )
  const bin = found ?? (yield* Effect.try(() => Postgres.fromNpm(cache)))
  if (bin === undefined)
    return yield* Effect.fail(
      new Error("npm has no PostgreSQL for this machine. Install it, and run this again.")
    )
  return yield* Effect.acquireRelease(
    Effect.tryPromise(() => Postgres.start(bin)),
    ({ stop }) => Effect.sync(stop)
  )
})

const standIn = Effect.map(StandIn.start(), ({ environment }) => ({
  address: `s3://${StandIn.bucket}`,
  environment
}))

const store = Effect.gen(function* () {
  const found = Moto.program()
  const hasPython = spawnSync("python3", ["-m", "venv", "--help"]).status === 0
  if (found === undefined && !hasPython) {
    yield* say(
      "S3: no moto_server and no Python 3 with venv on this machine. The tests' own stand-in is used."
    )
    return yield* standIn
  }
  yield* say(
    found === undefined
      ? `S3: no moto_server on this machine. Installing moto from PyPI into ${cache}, unless it is there; that takes a few minutes.`
      : `S3: ${found}`
  )
  return yield* Effect.try({
    try: () => found ?? Moto.install(cache),
    catch: lastLine
  }).pipe(
    Effect.flatMap((program) =>
      Effect.acquireRelease(
        Effect.tryPromise({ try: () => Moto.start(program), catch: lastLine }),
        ({ stop }) => Effect.sync(stop)
      )
    ),
    Effect.catch((why) =>
      Effect.andThen(say(`S3: moto cannot be used (${why}). The tests' own stand-in is used.`), standIn)
    )
  )
})

const program = Effect.gen(function* () {
  const { url } = yield* database
  const { address, environment } = yield* store
  const variables = { TRAINYARD_QUEUE: url, TRAINYARD_STORE: `${address}/store`, ...environment }
  const lines = [
    "Both run. In another terminal:",
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
  // Effect wraps what was thrown.
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  process.stderr.write(`${cause instanceof Error ? cause.message : String(cause)}\n`)
  process.exitCode = 1
}
