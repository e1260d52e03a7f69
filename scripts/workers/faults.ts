/**
 * Runs on workers under faults at random moments; every artifact must have the digests of an undisturbed run:
 *
 *     npm run test:workers -- 20              rounds, each with two to four faults
 *     npm run test:workers -- 20 --seed 7     the same moments again
 *
 * Faults: kill -9 of a worker, kill -9 of the run (which is started again), SIGSTOP of a worker for longer than its lease, a restart of the
 * database, a second run of the same pipeline. Needs PostgreSQL: see packages/workers/test/postgres.ts.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { job } from "../../packages/workers/test/job.ts"
import * as Postgres from "../../packages/workers/test/postgres.ts"
import * as Runs from "../soak/runs.ts"

const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: "string", default: String(Date.now() % 1_000_000) } }
})
const rounds = Number(positionals[0] ?? "3")
const lease = 2
const home = mkdtempSync(join(tmpdir(), "trainyard-workers-"))
const main = fileURLToPath(new URL("../../packages/trainyard/src/main.ts", import.meta.url))
const random = Runs.seeded(Number(options.seed))
const pick = (count: number) => Math.floor(random() * count)
const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

const bin = Postgres.programs()
if (bin === undefined) {
  process.stdout.write(
    "Skipped: no PostgreSQL here. Install it, or name its programs' folder in TRAINYARD_TEST_POSTGRES.\n"
  )
  process.exit(0)
}
const postgres = await Postgres.start(bin)
const running = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL")
  postgres.stop()
  rmSync(home, { recursive: true, force: true })
})
process.on("SIGINT", () => process.exit(130))

const trainyard = (directory: string, ...args: ReadonlyArray<string>) => {
  const child = spawn(process.execPath, ["--conditions=trainyard-source", main, ...args], {
    cwd: directory,
    env: {
      ...process.env,
      TRAINYARD_QUEUE: postgres.url,
      TRAINYARD_LEASE: String(lease),
      TRAINYARD_WORKSPACE: "store"
    },
    stdio: ["ignore", "pipe", "pipe"]
  })
  running.add(child)
  let said = ""
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text
    })
  const ended = new Promise<number | null>((resolve) => {
    child.on("close", (code) => {
      running.delete(child)
      resolve(code)
    })
  })
  return { child, ended, said: () => said }
}

/** Digests of all artifacts, by stage and cache key. */
const digests = (directory: string): string => {
  const artifacts = join(directory, "store", "artifacts")
  const found = readdirSync(artifacts).flatMap((stage) =>
    readdirSync(join(artifacts, stage)).map((key) => {
      const { files, value } = JSON.parse(readFileSync(join(artifacts, stage, key, "manifest.json"), "utf8"))
      return [stage, key, files, value]
    })
  )
  return JSON.stringify(found.sort((a, b) => (`${a[0]}${a[1]}` < `${b[0]}${b[1]}` ? -1 : 1)))
}

const settings = [
  "--set",
  "count.steps=80",
  "--set",
  "count.milliseconds=60",
  "--set",
  "block.milliseconds=3000"
]
const runOn = (directory: string) =>
  trainyard(directory, "run", "job.ts", "--on", "queue", "--json", ...settings)

const project = (name: string): string => {
  const directory = join(home, name)
  mkdirSync(directory)
  writeFileSync(join(directory, "job.ts"), job)
  return directory
}

const fail = (message: string): never => {
  process.stderr.write(`${message}\nSeed ${options.seed}.\n`)
  process.exit(1)
}

const undisturbed = project("undisturbed")
const first = trainyard(undisturbed, "run", "job.ts", ...settings)
if ((await first.ended) !== 0) fail(`The undisturbed run failed:\n${first.said()}`)
const expected = digests(undisturbed)

const round = async (number: number): Promise<string> => {
  const directory = project(`round-${number}`)
  const startWorker = (name: string) => trainyard(directory, "worker", "--name", name)
  const workers = [startWorker("a"), startWorker("b")]
  let run = runOn(directory)
  const others: Array<ReturnType<typeof runOn>> = []
  const told: Array<string> = []
  for (let faults = 2 + pick(3), fault = 0; fault < faults; fault++) {
    await sleep(500 + pick(4000))
    const at = pick(workers.length)
    const kind = pick(5)
    if (kind === 0) {
      workers[at]!.child.kill("SIGKILL")
      workers[at] = startWorker(`w${fault}`)
      told.push("worker killed")
    } else if (kind === 1) {
      run.child.kill("SIGKILL")
      await run.ended
      run = runOn(directory)
      told.push("run killed")
    } else if (kind === 2) {
      const { child } = workers[at]!
      child.kill("SIGSTOP")
      await sleep(lease * 2000)
      child.kill("SIGCONT")
      told.push("worker stopped")
    } else if (kind === 3) {
      postgres.restart()
      told.push("database restarted")
    } else {
      others.push(runOn(directory))
      told.push("second run")
    }
  }
  const limit = setTimeout(
    () => fail(`Round ${number} hangs after ${told.join(", ")}:\n${run.said()}`),
    300_000
  )
  for (const each of [run, ...others]) {
    const code = await each.ended
    if (code !== 0)
      fail(`Round ${number}: a run ended with ${code} after ${told.join(", ")}:\n${each.said()}`)
  }
  clearTimeout(limit)
  for (const { child, ended } of workers) {
    child.kill("SIGINT")
    await ended
  }
  if (digests(directory) !== expected) fail(`Round ${number} has other artifacts after ${told.join(", ")}.`)
  rmSync(directory, { recursive: true, force: true })
  return told.join(", ")
}

for (let number = 1; number <= rounds; number++) {
  const start = performance.now()
  const told = await round(number)
  process.stdout.write(
    `Round ${number}: the same artifacts after ${told} (${((performance.now() - start) / 1000).toFixed(0)} s)\n`
  )
}
process.stdout.write(
  `${rounds} rounds, seed ${options.seed}: every artifact has the digests of the undisturbed run.\n`
)
process.exit(0)
