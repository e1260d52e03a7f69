/**
 * Runs on workers under faults at random moments; every artifact must have the digests of an undisturbed run:
 *
 *     npm run test:workers -- 20              rounds, each with two to four faults
 *     npm run test:workers -- 20 --seed 7     the same moments again
 *     npm run test:workers -- 20 --lease 6    for a machine that has other work: a lease of 6 seconds instead of 2
 *
 * Faults: kill -9 of a worker, of a stage's process and of the run (which is started again); SIGSTOP of a worker for longer than its lease; a
 * restart of the database; a second run of the same pipeline; the network to the database cut, held up or silent, for all or for one process
 * (`proxy.ts`); the disk or the store full (`homes.ts`). No two processes may be at one stage's work at once for longer than a lease. Needs
 * PostgreSQL: see packages/workers/test/postgres.ts. As root, a small file system is mounted for the full disk.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Postgres from "../../packages/workers/test/postgres.ts"
import * as Runs from "../soak/runs.ts"
import { all, type Home } from "./homes.ts"
import { childrenOf, type Started, start } from "./processes.ts"
import * as Proxy from "./proxy.ts"

const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    lease: { type: "string", default: "2" }
  }
})
const rounds = Number(positionals[0] ?? "3")
/** The same processes of workers serve so many rounds. */
const roundsOfHome = 5
const lease = Number(options.lease)
const stepMilliseconds = 40
const settings = Object.entries({
  "count.steps": 100,
  "count.milliseconds": stepMilliseconds,
  "block.milliseconds": 2500
}).flatMap(([name, value]) => ["--set", `${name}=${value}`])

const folder = mkdtempSync(join(tmpdir(), "trainyard-workers-"))
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
const databasePort = Number(new URL(postgres.url).port)
const running = new Set<Started>()
const homes = new Set<Home>()
process.on("exit", () => {
  for (const { child } of running) child.kill("SIGKILL")
  postgres.stop()
  for (const home of homes) void home.close()
  rmSync(folder, { recursive: true, force: true })
})
process.on("SIGINT", () => process.exit(130))

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

/** A process with a proxy of its own before the database. */
const connected = (home: Home, machine: string, proxy: Proxy.Proxy, name: string, ...args: Array<string>) => {
  const { directory, env } = home.machine(machine)
  const url = new URL(postgres.url)
  url.port = String(proxy.port)
  const started = start(
    name,
    directory,
    { ...env, TRAINYARD_QUEUE: url.href, TRAINYARD_LEASE: String(lease) },
    args
  )
  running.add(started)
  void started.ended.then(() => running.delete(started))
  return started
}

interface Worker {
  readonly machine: string
  readonly proxy: Proxy.Proxy
  process: Started
}

/** A home with its two workers and a way to start runs. */
const open = async (home: Home) => {
  homes.add(home)
  let number = 0
  const startWorker = (machine: string, proxy: Proxy.Proxy) => {
    const name = `${machine}${++number}`
    return connected(home, machine, proxy, name, "worker", "--name", name)
  }
  const runs = await Proxy.start(databasePort)
  const workers: Array<Worker> = []
  for (const machine of ["a", "b"]) {
    const proxy = await Proxy.start(databasePort)
    workers.push({ machine, proxy, process: startWorker(machine, proxy) })
  }
  const run = () =>
    connected(home, "run", runs, "run", "run", "job.ts", "--on", "queue", "--json", ...settings)
  const close = async () => {
    for (const { process: worker } of workers) worker.child.kill("SIGINT")
    for (const { process: worker } of workers) await worker.ended
    for (const proxy of [runs, ...workers.map((worker) => worker.proxy)]) proxy.close()
    await home.close()
    homes.delete(home)
  }
  return {
    home,
    workers,
    runs,
    run,
    close,
    restart: (worker: Worker) => {
      worker.process.child.kill("SIGKILL")
      worker.process = startWorker(worker.machine, worker.proxy)
    }
  }
}
type Site = Awaited<ReturnType<typeof open>>

/** What may end a run before its time, by the fault that explains it: it is started again. */
const excuses = [
  { words: /The queue at .* cannot be used/, faults: /database|network/ },
  { words: /[Nn]o space left|is full|Insufficient|lacks "/, faults: /full/ }
]

/** Lets one fault happen, and gives its name. */
const inject = async (site: Site, state: { run: Started; readonly others: Array<Started> }) => {
  const { home, workers } = site
  const worker = workers[pick(workers.length)]!
  const outage = lease * (500 + pick(2000))
  const weather = async (name: string, kind: Proxy.Weather, ...proxies: ReadonlyArray<Proxy.Proxy>) => {
    for (const proxy of proxies) proxy.set(kind)
    await sleep(outage)
    for (const proxy of proxies) proxy.set("open")
    return `${name} for ${(outage / 1000).toFixed(1)} s`
  }
  const everybody = [site.runs, ...workers.map(({ proxy }) => proxy)]
  const faults: ReadonlyArray<() => Promise<string> | string> = [
    () => {
      site.restart(worker)
      return "worker killed"
    },
    () => {
      for (const pid of childrenOf(worker.process.child.pid)) process.kill(pid, "SIGKILL")
      return "stage process killed"
    },
    async () => {
      state.run.child.kill("SIGKILL")
      await state.run.ended
      state.run = site.run()
      return "run killed"
    },
    async () => {
      const { child } = worker.process
      child.kill("SIGSTOP")
      await sleep(lease * 2000)
      child.kill("SIGCONT")
      return "worker stopped"
    },
    () => {
      postgres.restart()
      return "database restarted"
    },
    () => {
      state.others.push(site.run())
      return "second run"
    },
    () => weather("network cut", "cut", ...everybody),
    () => weather("network silent", "silent", ...everybody),
    () => weather("a worker's network silent", "silent", worker.proxy),
    () => weather("a worker's network held up", "held", worker.proxy),
    () => weather("the run's network cut", "cut", site.runs),
    async () => {
      if (home.fill === undefined) return weather("the run's network silent", "silent", site.runs)
      home.fill()
      await sleep(outage)
      home.free()
      return "store full"
    }
  ]
  return faults[pick(faults.length)]!()
}

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
const outcome = async (site: Site, first: Started, told: () => string): Promise<void> => {
  let run = first
  for (let tries = 0; ; tries++) {
    const code = await run.ended
    const said = run.said()
    if (/^\s+at .+:\d+:\d+/m.test(said)) fail(`A run shows a stack trace after ${told()}:\n${said}`)
    if (code === 0) return
    const excused = excuses.some(({ faults, words }) => words.test(said) && faults.test(told()))
    if (!excused || tries === 5) fail(`A run ended with ${code} after ${told()}:\n${said.slice(-6000)}`)
    run = site.run()
  }
}

const round = async (site: Site, expected: string, number: number): Promise<string> => {
  const told: Array<string> = []
  const words = () => told.join(", ")
  const limit = setTimeout(() => fail(`Round ${number} hangs after ${words()}.`), 420_000)
  const state = { run: site.run(), others: [] as Started[] }
  for (let faults = 2 + pick(3), fault = 0; fault < faults; fault++) {
    await sleep(300 + pick(2500))
    if (state.run.child.exitCode !== null) break
    told.push(await inject(site, state))
    for (const worker of site.workers) if (worker.process.child.exitCode !== null) site.restart(worker)
  }
  for (const each of [state.run, ...state.others]) await outcome(site, each, words)
  clearTimeout(limit)
  // What could not be kept while the store was full is kept by the next run.
  if (/full/.test(words())) await outcome(site, site.run(), words)
  if (digests(site.home.manifests()) !== expected)
    fail(`Round ${number} has other artifacts after ${words()}.`)
  checkOverlap(site.home, ["run", "a", "b"], words())
  site.home.clear()
  return words()
}

const [, , plainHome] = all(folder)
const plain = await plainHome!()
const undisturbed = start("undisturbed", plain!.machine("run").directory, plain!.machine("run").env, [
  "run",
  "job.ts",
  ...settings
])
if ((await undisturbed.ended) !== 0) fail(`The undisturbed run failed:\n${undisturbed.said()}`)
const expected = digests(plain!.manifests())

const kinds = all(join(folder, "trials"))
for (let number = 1, turn = 0; number <= rounds; turn++) {
  const home = await kinds[turn % kinds.length]!()
  if (home === undefined) continue
  home.clear()
  const site = await open(home)
  for (let each = 0; each < roundsOfHome && number <= rounds; each++, number++) {
    const from = performance.now()
    const told = await round(site, expected, number)
    process.stdout.write(
      `Round ${number} (${home.name}): the same artifacts after ${told} (${((performance.now() - from) / 1000).toFixed(0)} s)\n`
    )
  }
  await site.close()
  rmSync(join(folder, "trials"), { recursive: true, force: true })
}
process.stdout.write(
  `${rounds} rounds, seed ${options.seed}: every artifact has the digests of the undisturbed run.\n`
)
process.exit(0)
