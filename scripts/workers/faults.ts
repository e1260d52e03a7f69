/**
 * Runs on workers under faults at random moments; every artifact must have the digests of an undisturbed run:
 *
 *     npm run test:workers -- 20              rounds, each with two to four faults
 *     npm run test:workers -- 20 --seed 7     the same faults again, at moments as near as the machine allows
 *     npm run test:workers -- 20 --lease 4    for a machine that has other work: a lease of 4 seconds instead of 2
 *     npm run test:workers -- 20 --only full  only the faults that have this in their names
 *     npm run test:workers -- halving 5       sweeps with successive halving, killed while a part trains: see killed.ts
 *     npm run test:workers -- replicas 5      the same for data parallel training
 *
 * Faults (`kinds.ts`): kill -9 of a worker, of a stage's process and of the run, which is started again; SIGSTOP of a worker or the run for two
 * leases; a restart of the database; a second run of the same pipeline; the network to the database cut, held up or silent, for all or for one
 * process (`proxy.ts`), or a worker's interface down (`namespaces.ts`); the disk or the store full (`homes.ts`). No two processes may be at one
 * stage's work at once for longer than a lease. Needs PostgreSQL: see packages/workers/test/postgres.ts. Interfaces and a small file system for
 * the full disk need Linux and root; what is not possible is named at the start.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Postgres from "../../packages/workers/test/postgres.ts"
import * as Runs from "../soak/runs.ts"
import { all, type Home } from "./homes.ts"
import * as Killed from "./killed.ts"
import { deck, type Fault, possible, sleep, type Trial } from "./kinds.ts"
import { type Started, start } from "./processes.ts"
import * as Sites from "./site.ts"

const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    lease: { type: "string", default: "2" },
    only: { type: "string", default: "" }
  }
})
/** The same processes of workers serve so many rounds. */
const roundsOfHome = 5
const lease = Number(options.lease)
const stepMilliseconds = 40
const job = [
  "job.ts",
  ...Object.entries({
    "count.steps": 100,
    "count.milliseconds": stepMilliseconds,
    "block.milliseconds": 2500
  }).flatMap(([name, value]) => ["--set", `${name}=${value}`])
]

const bin = Postgres.programs()
if (bin === undefined) {
  process.stdout.write(`Skipped: ${Postgres.hint}.\n`)
  process.exit(0)
}
const folder = mkdtempSync(join(tmpdir(), "trainyard-workers-"))
const random = Runs.seeded(Number(options.seed))
const pick = (count: number) => Math.floor(random() * count)
const postgres = await Postgres.start(bin)
const running = new Set<Started>()
const sites = new Set<Sites.Site>()
process.on("exit", () => {
  for (const { child } of running) child.kill("SIGKILL")
  postgres.stop()
  // What follows its first wait would not happen any more.
  for (const { home, workers } of sites) {
    for (const { namespace } of workers) namespace?.close()
    void home.close()
  }
  rmSync(folder, { recursive: true, force: true })
})
process.on("SIGINT", () => process.exit(130))

const onStart = (started: Started) => {
  running.add(started)
  void started.ended.then(() => running.delete(started))
}

const fail = (message: string): never => {
  process.stderr.write(`${message}\n`)
  for (const { name, said } of [...running]) process.stderr.write(`--- ${name}\n${said().slice(-4000)}\n`)
  process.stderr.write(`Seed ${options.seed}.\n`)
  process.exit(1)
}

/** All artifacts' content in an order of its own. */
const digests = (manifests: ReadonlyArray<string>): string =>
  manifests
    .map((text) => {
      const { cacheKey, files, value } = JSON.parse(text)
      return JSON.stringify([cacheKey, files, value])
    })
    .sort()
    .join("\n")

/** Fails where two processes were at one stage's work at once for longer than a lease. */
const checkOverlap = (home: Home, machines: ReadonlyArray<string>, told: string) => {
  const files = new Set(machines.map((machine) => join(home.machine(machine).directory, "steps.log")))
  const lines = [...files]
    .filter((file) => existsSync(file))
    .flatMap((file) => readFileSync(file, "utf8").trimEnd().split("\n"))
    .map((line) => line.split(" "))
  const byProcess = Map.groupBy(lines, ([, , pid]) => pid ?? "")
  const works = [...byProcess.values()].map((steps) => steps.map(([, , , at]) => Number(at)))
  for (const one of works)
    for (const other of works) {
      if (other[0]! <= one[0]!) continue
      // Steps that one made after another process had begun with the same stage; a process that was stopped makes none.
      const late = one.filter((at) => at > other[0]! && at < other.at(-1)!).length * stepMilliseconds
      if (late > lease * 1000) fail(`Two processes were at one stage at once for ${late} ms after ${told}.`)
    }
}

/** Awaits a run; started again where a fault that was made explains how it ended. */
const outcome = async (
  site: Sites.Site,
  first: Started,
  made: ReadonlyArray<Fault>,
  told: () => string
): Promise<void> => {
  let run = first
  for (let tries = 0; ; tries++) {
    const code = await run.ended
    const said = run.said()
    if (/^\s+at .+:\d+:\d+/m.test(said)) fail(`A run shows a stack trace after ${told()}:\n${said}`)
    if (code === 0) return
    const excused = made.some(({ excuse }) => excuse?.test(said) ?? false)
    if (!excused || tries === 5) fail(`A run ended with ${code} after ${told()}:\n${said.slice(-6000)}`)
    run = site.run()
  }
}

/** Starts workers again that have ended by themselves, as a supervisor does; fails where no fault that was made explains it. */
const tend = (site: Sites.Site, made: ReadonlyArray<Fault>, told: () => string) => {
  for (const worker of site.workers) {
    const { child, name, said } = worker.process
    if (child.exitCode === null) continue
    if (!made.some(({ excuse }) => excuse?.test(said()) ?? false))
      fail(`Worker ${name} ended with ${child.exitCode} after ${told()}:\n${said().slice(-4000)}`)
    site.restart(worker)
  }
}

const draw = deck(pick, options.only)

const round = async (site: Sites.Site, expected: string, number: number): Promise<ReadonlyArray<Fault>> => {
  const made: Array<Fault> = []
  const told = () => made.map(({ name }) => name).join(", ") || "no fault"
  const limit = setTimeout(() => fail(`Round ${number} hangs after ${told()}.`), 420_000)
  const tending = setInterval(() => tend(site, made, told), 500)
  const trial: Trial = { site, postgres, lease, pick, run: site.run(), others: [] }
  for (let faults = 2 + pick(3), fault = 0; fault < faults; fault++) {
    await sleep(300 + pick(2500))
    if (trial.run.child.exitCode !== null) break
    const drawn = draw(site)
    made.push(drawn)
    await drawn.happen(trial)
  }
  for (const each of [trial.run, ...trial.others]) await outcome(site, each, made, told)
  // What could not be kept while the store was full is kept by the next run.
  if (made.some(({ name }) => name === "store full")) await outcome(site, site.run(), made, told)
  clearInterval(tending)
  clearTimeout(limit)
  if (digests(site.home.manifests()) !== expected)
    fail(`Round ${number} has other artifacts after ${told()}.`)
  checkOverlap(site.home, ["run", "a", "b"], told())
  site.home.clear()
  return made
}

/** Rounds in one home after the other, and how often each fault happened in which. */
const trials = async (rounds: number): Promise<void> => {
  const plain = await all(folder).at(-1)!()
  const { directory, env } = plain!.machine("run")
  const undisturbed = start("undisturbed", directory, env, ["run", ...job])
  if ((await undisturbed.ended) !== 0) fail(`The undisturbed run failed:\n${undisturbed.said()}`)
  const expected = digests(plain!.manifests())
  const counts = new Map<string, number>()
  const kinds = all(join(folder, "trials"))
  for (let number = 1, turn = 0; number <= rounds; turn++) {
    const home = await kinds[turn % kinds.length]!()
    if (home === undefined) {
      if (turn < kinds.length) process.stdout.write("Without a disk that fills up: it needs root to mount.\n")
      continue
    }
    home.clear()
    const site = await Sites.open(home, { postgres, lease, arguments: job, onStart, number: turn })
    sites.add(site)
    const can = possible(site, options.only).length > 0
    if (!can && turn >= kinds.length && number === 1) fail(`No fault "${options.only}" is possible here.`)
    for (let each = 0; can && each < roundsOfHome && number <= rounds; each++, number++) {
      const from = performance.now()
      const made = await round(site, expected, number)
      for (const { name } of made) counts.set(name, 1 + (counts.get(name) ?? 0))
      process.stdout.write(
        `Round ${number} (${home.name}): the same artifacts after ${made.map(({ name }) => name).join(", ") || "no fault"} (${((performance.now() - from) / 1000).toFixed(0)} s)\n`
      )
    }
    await site.close()
    sites.delete(site)
    rmSync(join(folder, "trials"), { recursive: true, force: true })
  }
  process.stdout.write(
    [
      `${rounds} rounds, seed ${options.seed}: every artifact has the digests of the undisturbed run.`,
      ...[...counts].sort(([a], [b]) => a.localeCompare(b)).map(([name, count]) => `  ${count} × ${name}`),
      ""
    ].join("\n")
  )
}

const [what = "3", count = "3"] = positionals
const subject = Killed.subjects[what]
if (subject !== undefined)
  await Killed.rounds({ subject, folder, postgres, lease, pick, onStart, fail, count: Number(count) })
else await trials(Number(what))
process.exit(0)
