/** The faults, by their names: each lets one thing go wrong and right again, and gives words about it. */
import type { Postgres } from "../../packages/workers/test/postgres.ts"
import { childrenOf, type Started } from "./processes.ts"
import type * as Proxy from "./proxy.ts"
import type { Site } from "./site.ts"

export interface Trial {
  readonly site: Site
  readonly postgres: Postgres
  /** Seconds. */
  readonly lease: number
  run: Started
  /** Runs of the same pipeline that were started at the same time. */
  readonly others: Array<Started>
  /** A whole number from 0 to below a count, from the seed. */
  readonly pick: (count: number) => number
}

export interface Fault {
  readonly name: string
  /** Whether it can happen in this trial; undefined where it always can. */
  readonly possible?: (site: Site) => boolean
  readonly happen: (trial: Trial) => Promise<void>
  /** What may end a run, or a worker that is just starting, because of it: its last words. */
  readonly excuse?: RegExp
}

export const sleep = (milliseconds: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

const away = /The queue at .* cannot be used/
const full = /[Nn]o space (is )?left|is full|Insufficient|lacks "/

/** Shorter or longer than a lease: from half of one to two and a half. */
const outage = ({ lease, pick }: Trial) => sleep(lease * (500 + pick(2000)))

const anyWorker = ({ pick, site: { workers } }: Trial) => workers[pick(workers.length)]!

const weather = (
  name: string,
  kind: Proxy.Weather,
  proxiesOf: (trial: Trial) => ReadonlyArray<Proxy.Proxy>
): Fault => ({
  name,
  excuse: away,
  happen: async (trial) => {
    const proxies = proxiesOf(trial)
    for (const proxy of proxies) proxy.set(kind)
    await outage(trial)
    for (const proxy of proxies) proxy.set("open")
  }
})
const everybody = ({ site: { runs, workers } }: Trial) => [runs, ...workers.map(({ proxy }) => proxy)]
const oneWorker = (trial: Trial) => [anyWorker(trial).proxy]
const theRun = ({ site: { runs } }: Trial) => [runs]

export const faults: ReadonlyArray<Fault> = [
  {
    name: "worker killed",
    happen: async (trial) => trial.site.restart(anyWorker(trial))
  },
  {
    name: "stage process killed",
    happen: async (trial) => {
      for (const pid of childrenOf(anyWorker(trial).process.child.pid)) process.kill(pid, "SIGKILL")
    }
  },
  {
    name: "run killed",
    happen: async (trial) => {
      trial.run.child.kill("SIGKILL")
      await trial.run.ended
      trial.run = trial.site.run()
    }
  },
  {
    name: "worker stopped for two leases",
    happen: async (trial) => {
      const { child } = anyWorker(trial).process
      child.kill("SIGSTOP")
      await sleep(trial.lease * 2000)
      child.kill("SIGCONT")
    }
  },
  {
    name: "run stopped for two leases",
    happen: async ({ lease, run: { child } }) => {
      child.kill("SIGSTOP")
      await sleep(lease * 2000)
      child.kill("SIGCONT")
    }
  },
  {
    name: "database restarted",
    excuse: away,
    happen: async ({ postgres }) => postgres.restart()
  },
  {
    name: "second run",
    happen: async ({ others, site }) => void others.push(site.run())
  },
  weather("network cut", "cut", everybody),
  weather("network silent", "silent", everybody),
  weather("a worker's network silent", "silent", oneWorker),
  weather("a worker's network held up", "held", oneWorker),
  weather("the run's network cut", "cut", theRun),
  weather("the run's network silent", "silent", theRun),
  {
    name: "a worker's interface down",
    excuse: away,
    possible: ({ workers }) => workers.every(({ namespace }) => namespace !== undefined),
    happen: async (trial) => {
      const { namespace } = anyWorker(trial)
      namespace?.unplug()
      await outage(trial)
      namespace?.plug()
    }
  },
  {
    name: "store full",
    possible: ({ home }) => home.fill !== undefined,
    excuse: full,
    happen: async (trial) => {
      const { home } = trial.site
      home.fill?.()
      await outage(trial)
      home.free()
    }
  }
]

/** The faults that a trial can have, of those whose names hold some words. */
export const possible = (site: Site, words: string): ReadonlyArray<Fault> =>
  faults.filter((fault) => fault.name.includes(words) && (fault.possible?.(site) ?? true))

/** Gives the faults of trials one after the other so that none comes a second time before all have come, shuffled anew each time. */
export const deck = (pick: (count: number) => number, words: string): ((site: Site) => Fault) => {
  let left: ReadonlyArray<Fault> = []
  return (site) => {
    const now = possible(site, words)
    // What this trial cannot have stays for the next one.
    if (!left.some((fault) => now.includes(fault)))
      left = [...left, ...faults.filter(({ name }) => name.includes(words))]
    const fitting = left.filter((fault) => now.includes(fault))
    const drawn = fitting[pick(fitting.length)]!
    left = left.filter((_, index) => index !== left.indexOf(drawn))
    return drawn
  }
}
