/**
 * How much sooner a sweep ends with 2 and 3 workers than with 1: independent trainings, each worker with the same share of a core, so that three
 * fit on a machine with two cores. The run's own process has no such limit.
 *
 *     npm run bench:workers -- sweep              12 trainings, half a core each
 *     npm run bench:workers -- sweep 6 0.25       6 trainings, a quarter of a core
 *     npm run bench:workers -- sweep 30 0.5 3     30 trainings, with 3 workers alone
 *
 * Each sweep must have made every stage once, on as many workers, and have a table of all trainings; the page of the last one is written as a file.
 *
 * Time is from the start of the first trial's first stage to the end of the run; what all trials share is made before. Needs PostgreSQL, Linux
 * and root for the shares.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs"
import { loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Option, Schema } from "effect"
import * as Postgres from "../../packages/workers/test/postgres.ts"
import { type Started, start } from "./processes.ts"
import * as Share from "./share.ts"

const pipeline = fileURLToPath(new URL("../../examples/sweep/pipeline.ts", import.meta.url))

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Seconds from the first start of a stage to the end of the run. */
const secondsOf = (output: string): number => {
  const moments = output
    .split("\n")
    .filter((line) => /^\{.*"type":"(StageStarted|RunFinished)"/.test(line))
    .map((line) => Date.parse(JSON.parse(line).at))
  return (moments.at(-1)! - moments[0]!) / 1000
}

const Line = Schema.fromJsonString(
  Schema.Struct({
    type: Schema.String,
    stage: Schema.optionalKey(Schema.String),
    worker: Schema.optionalKey(Schema.String),
    rows: Schema.optionalKey(Schema.Array(Schema.Unknown))
  })
)

/** Fails where a stage was begun twice, a worker had nothing to do, or a training is missing in the table. */
const check = (output: string, trials: number, workers: number): void => {
  const lines = output.split("\n").flatMap((line) => Option.toArray(Schema.decodeUnknownOption(Line)(line)))
  const begun = lines.filter(({ type }) => type === "StageStarted")
  const names = begun.map(({ stage }) => stage)
  const twice = names.filter((name, index) => names.indexOf(name) !== index)
  if (twice.length > 0) throw new Error(`Begun more than once: ${twice.join(", ")}.`)
  const busy = new Set(begun.map(({ worker }) => worker))
  if (busy.size !== workers) throw new Error(`${busy.size} of ${workers} workers had something to do.`)
  const rows = lines.findLast(({ type }) => type === "Comparison")?.rows?.length
  if (rows !== trials) throw new Error(`The table has ${rows ?? "no"} rows for ${trials} trainings.`)
  process.stdout.write(`  ${begun.length} stages, each begun once; a table of ${rows} trainings\n`)
}

interface Bench {
  readonly folder: string
  readonly url: string
  readonly cores: number
  readonly trials: number
  readonly arguments: ReadonlyArray<string>
  readonly started: Array<Started>
}

const ended = async (its: Started) => {
  const code = await its.ended
  if (code !== 0) throw new Error(`A run ended with ${code}:\n${its.said()}`)
  return its.said()
}

/** The sweep on so many workers, each in a share of its own. */
const sweep = async (
  { arguments: words, cores, folder, started, trials, url }: Bench,
  count: number
): Promise<number> => {
  const directory = join(folder, `workers-${count}`)
  cpSync(join(folder, "shared"), directory, { recursive: true })
  const env = { TRAINYARD_QUEUE: url, TRAINYARD_WORKSPACE: "store" }
  const shares = Array.from({ length: count }, (_, index) => Share.open(cores, 10 * count + index)!)
  const workers = shares.map(({ before }, index) => {
    const name = `worker-${index + 1}`
    return start(name, directory, env, ["worker", "--name", name, "--threads", "1"], before)
  })
  started.push(...workers)
  while (!workers.every(({ said }) => /takes stages/.test(said()))) await sleep(100)
  const run = start("run", directory, env, ["run", ...words, "--on", "queue", "--json"])
  started.push(run)
  const said = await ended(run)
  const seconds = secondsOf(said)
  for (const { child } of workers) child.kill("SIGINT")
  for (const worker of workers) await worker.ended
  for (const share of shares) share.close()
  check(said, trials, count)
  return seconds
}

/** Writes the page of a sweep's runs into one folder of files. */
const writePage = async ({ folder, started }: Bench, count: number): Promise<void> => {
  const directory = join(folder, `workers-${count}`)
  const page = mkdtempSync(join(tmpdir(), "trainyard-sweep-"))
  const its = start("page", directory, { TRAINYARD_WORKSPACE: "store" }, [
    "ui",
    "--export",
    join(page, "site")
  ])
  started.push(its)
  await ended(its)
  const { size } = statSync(join(page, "site", "index.html"))
  process.stdout.write(
    `The page, with table and curves: ${join(page, "site", "index.html")} (${size} bytes)\n`
  )
}

/** Measures a sweep of so many trainings with so much of a core for each worker, for each number of workers, and prints a table. */
export const measure = async (
  bin: string,
  trials: number,
  cores: number,
  counts: ReadonlyArray<number> = [1, 2, 3]
): Promise<void> => {
  const probe = Share.open(cores, 0)
  probe?.close()
  if (probe === undefined) {
    process.stdout.write("Skipped: this machine gives out no shares of a core. It needs Linux and root.\n")
    return
  }
  const rates = Array.from({ length: trials }, (_, index) => (0.01 * 0.8 ** index).toPrecision(3))
  const folder = mkdtempSync(join(tmpdir(), "trainyard-speedup-"))
  const postgres = await Postgres.start(bin)
  const started: Array<Started> = []
  const words = [pipeline, "--param", `rates=${rates.join(",")}`, "--param", "steps=100"]
  const bench: Bench = { folder, url: postgres.url, cores, trials, arguments: words, started }
  try {
    const shared = join(folder, "shared")
    mkdirSync(shared)
    const before = ["run", ...words, "--only", "collect,split,tokenize,dataset"]
    const first = start("shared", shared, { TRAINYARD_WORKSPACE: "store" }, before)
    started.push(first)
    await ended(first)
    const rows: Array<string> = []
    let alone = Number.NaN
    for (const count of counts) {
      const seconds = await sweep(bench, count)
      if (count === 1) alone = seconds
      const factor = Number.isNaN(alone) ? "" : (alone / seconds).toFixed(2)
      rows.push(
        `  ${count}        ${seconds.toFixed(1).padStart(7)}  ${factor.padEnd(8)}  ${loadavg()[0]!.toFixed(1)}`
      )
    }
    const title = `${trials} trainings, ${cores} of a core for each worker:`
    process.stdout.write([title, "  workers  seconds  speed-up  load average", ...rows, ""].join("\n"))
    await writePage(bench, counts.at(-1)!)
  } finally {
    for (const { child } of started) child.kill("SIGKILL")
    postgres.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
