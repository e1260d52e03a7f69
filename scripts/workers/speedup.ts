/**
 * How much sooner a sweep ends with 2 and 3 workers than with 1: independent trainings, each worker with the same share of a core, so that three
 * fit on a machine with two cores. The run's own process has no such limit.
 *
 *     npm run bench:workers -- sweep              12 trainings, half a core each
 *     npm run bench:workers -- sweep 6 0.25       6 trainings, a quarter of a core
 *
 * Time is from the start of the first trial's first stage to the end of the run; what all trials share is made before. Needs PostgreSQL, Linux
 * and root for the shares.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { loadavg, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
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

interface Bench {
  readonly folder: string
  readonly url: string
  readonly cores: number
  readonly arguments: ReadonlyArray<string>
  readonly started: Array<Started>
}

const ended = async (its: Started) => {
  const code = await its.ended
  if (code !== 0) throw new Error(`A run ended with ${code}:\n${its.said()}`)
  return its.said()
}

/** The sweep on so many workers, each in a share of its own. */
const sweep = async ({ arguments: words, cores, folder, started, url }: Bench, count: number) => {
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
  const seconds = secondsOf(await ended(run))
  for (const { child } of workers) child.kill("SIGINT")
  for (const worker of workers) await worker.ended
  for (const share of shares) share.close()
  return seconds
}

/** Measures a sweep of so many trainings with so much of a core for each worker, and prints a table. */
export const measure = async (bin: string, trials: number, cores: number): Promise<void> => {
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
  const bench: Bench = { folder, url: postgres.url, cores, arguments: words, started }
  try {
    const shared = join(folder, "shared")
    mkdirSync(shared)
    const before = ["run", ...words, "--only", "collect,split,tokenize,dataset"]
    const first = start("shared", shared, { TRAINYARD_WORKSPACE: "store" }, before)
    started.push(first)
    await ended(first)
    const rows: Array<string> = []
    let alone = Number.NaN
    for (const count of [1, 2, 3]) {
      const seconds = await sweep(bench, count)
      if (count === 1) alone = seconds
      rows.push(
        `  ${count}        ${seconds.toFixed(1).padStart(7)}  ${(alone / seconds).toFixed(2)}      ${loadavg()[0]!.toFixed(1)}`
      )
    }
    const title = `${trials} trainings, ${cores} of a core for each worker:`
    process.stdout.write([title, "  workers  seconds  speed-up  load average", ...rows, ""].join("\n"))
  } finally {
    for (const { child } of started) child.kill("SIGKILL")
    postgres.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
