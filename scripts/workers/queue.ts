/**
 * What the queue bears, through its own statements, with four connections at once as one process has them:
 *
 *     npm run bench:workers -- queue              2,000 stages of no work
 *     npm run bench:workers -- queue 500
 *
 * Prints how many a second are possible of: stages put in; stages taken and ended, with two events each; looks of workers that find nothing;
 * leases renewed. And what share of that a number of workers needs, of which each looks once a second while it is idle, and renews its lease and
 * itself four times in a lease while it works. PostgreSQL and this process share the machine. Needs PostgreSQL: see
 * packages/workers/test/postgres.ts.
 */
import { loadavg } from "node:os"
import { Effect } from "effect"
import * as Database from "../../packages/workers/src/Database.ts"
import { type Identity, JobQueue } from "../../packages/workers/src/JobQueue.ts"
import type { Event, Job } from "../../packages/workers/src/Messages.ts"
import * as Postgres from "../../packages/workers/test/postgres.ts"

const lease = 30
const store = "bench"
const run = "bench"

/** As large as that of a training, whose code is of some sixty files. */
const jobOf = (number: number): Job => ({
  pipeline: "bench",
  run,
  name: `stage-${number}`,
  why: "never made",
  forced: false,
  cacheKey: `key-${number}`,
  keyParts: {
    stage: "stage",
    version: 1,
    output: "words@1",
    config: {},
    inputs: {},
    code: {
      entry: "bench/stage.ts",
      files: Object.fromEntries(
        Array.from({ length: 60 }, (_, file) => [`bench/folder/file-${file}.ts`, "0".repeat(32)])
      ),
      packages: {}
    },
    externalDigest: null,
    compute: null
  },
  spec: null
})

const workers: ReadonlyArray<Identity> = Array.from({ length: 1000 }, (_, number) => {
  const name = `worker-${number}`
  return { id: name, name, labels: [], store, stages: null }
})
const workerOf = (number: number): Identity => workers[number % workers.length]!

const event: Event = {
  type: "Stage",
  stage: "stage",
  event: {
    type: "Note",
    level: "info",
    message: "A line of some sixty characters, as stages print them at work."
  }
}

/** How many a second of something that is done so often, four at once. */
const rate = <E, R>(count: number, each: (number: number) => Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    const numbers = Array.from({ length: count }, (_, number) => number)
    const from = performance.now()
    yield* Effect.forEach(numbers, each, { concurrency: 4, discard: true })
    return count / ((performance.now() - from) / 1000)
  })

const program = Effect.fnUntraced(function* (stages: number) {
  const queue = yield* JobQueue
  yield* queue.keepRun(run, "bench", 3600)
  for (const worker of workers) yield* queue.keepWorker(worker, 3600)
  const put = yield* rate(stages, (number) => queue.submit(jobOf(number), "stage", null, store))
  const made = yield* rate(stages, (number) =>
    Effect.gen(function* () {
      const worker = workerOf(number)
      const taken = yield* queue.take(worker, "process", lease)
      if (taken === undefined) return
      const { attempt, id } = taken
      yield* queue.write({ worker, id, attempt }, [event, event], 0, {
        state: "done",
        outcome: { type: "made", status: "ran" }
      })
    })
  )
  const looks = yield* rate(stages, (number) => queue.take(workerOf(number), "process", lease))
  yield* queue.submit(jobOf(stages), "stage", null, store)
  const last = yield* queue.take(workerOf(0), "process", lease)
  const holding = { worker: workerOf(0), id: last?.id ?? "0", attempt: last?.attempt ?? 0 }
  const renewals = yield* rate(stages, () => queue.renew(holding, "process", lease))
  return { put, made, looks, renewals }
})

/** Measures with so many stages, and prints what it found. */
export const measure = async (bin: string, stages: number): Promise<void> => {
  const postgres = await Postgres.start(bin)
  try {
    const rates = await program(stages).pipe(
      Effect.provide(JobQueue.layer),
      Effect.provide(Database.layer(postgres.url, "bench")),
      Effect.runPromise
    )
    const share = (perSecond: number, of: number) => `${((100 * perSecond) / of).toFixed(0)} %`
    const needs = (count: number) => {
      const idle = share(count, rates.looks)
      const busy = share((2 * count) / (lease / 4), rates.renewals)
      return `  ${count} workers: idle ${idle} of the looks, at work ${busy} of the renewals`
    }
    process.stdout.write(
      [
        `${stages} stages, 1,000 workers known, load average ${loadavg()[0]!.toFixed(1)}; a second:`,
        `  put in           ${rates.put.toFixed(0)}`,
        `  taken and ended  ${rates.made.toFixed(0)}`,
        `  looks            ${rates.looks.toFixed(0)}`,
        `  leases renewed   ${rates.renewals.toFixed(0)}`,
        ...[100, 300, 1000].map(needs),
        ""
      ].join("\n")
    )
  } finally {
    postgres.stop()
  }
}
