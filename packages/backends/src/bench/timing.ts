/** What repeated measurements say: their median with its confidence interval, the fastest, and whether other programs had the processors. */
import { cpus } from "node:os"

/** Times in milliseconds. */
export interface Timing {
  readonly median: number
  readonly minimum: number
  /** 95 % confidence interval of the median. */
  readonly low: number
  readonly high: number
  readonly runs: number
}

/**
 * The interval's ends are the times at the ranks n/2 ∓ 0.98 √n, counted from 1 in ascending order: of any distribution the median lies
 * between them in 95 of 100 samples. (Binomial distribution, by its normal approximation; with fewer than six times their whole range.)
 */
export const timingOf = (times: ReadonlyArray<number>): Timing => {
  const sorted = times.toSorted((a, b) => a - b)
  const runs = sorted.length
  const at = (rank: number) => sorted[Math.min(runs, Math.max(1, rank)) - 1] ?? 0
  const reach = 0.98 * Math.sqrt(runs)
  return {
    median: sorted[Math.floor(runs / 2)] ?? 0,
    minimum: at(1),
    low: at(Math.round(runs / 2 - reach)),
    high: at(Math.round(runs / 2 + 1 + reach)),
    runs
  }
}

/** Whether the median is known to one part in a hundred, on either side. */
export const isNarrow = ({ high, low, median, runs }: Timing): boolean =>
  runs >= 6 && high - low <= 0.02 * median

/** What the machine's processors did over some time, in seconds of processors together. */
interface Reading {
  readonly wall: number
  readonly busy: number
  readonly idle: number
  readonly own: number
}

const reading = (): Reading => {
  let busy = 0
  let idle = 0
  for (const { times } of cpus()) {
    busy += times.user + times.nice + times.sys + times.irq
    idle += times.idle
  }
  const { system, user } = process.cpuUsage()
  return { wall: performance.now() / 1000, busy: busy / 1000, idle: idle / 1000, own: (user + system) / 1e6 }
}

/** The system counts a processor's time in hundredths of a second: over less than this they say nothing. */
const leastSeconds = 0.3

/** Sums up, over several stretches of time, what other programs took of the processors. */
export const makeObserver = () => {
  const sum = { wall: 0, busy: 0, idle: 0, own: 0 }
  return {
    /** A stretch begins; call the result at its end. */
    begin: () => {
      const before = reading()
      return () => {
        const after = reading()
        for (const key of ["wall", "busy", "idle", "own"] as const) sum[key] += after[key] - before[key]
      }
    },
    /**
     * How many processors other programs used, on average, while none was free for this one; 0 where one was, and null where too little time
     * was seen or the system does not tell.
     */
    others: (): number | null => {
      if (sum.wall < leastSeconds || sum.busy <= 0) return null
      const others = Math.max(0, sum.busy - sum.own) / sum.wall
      const free = sum.idle / sum.wall
      return others > 0.05 && free < 0.1 ? others : 0
    }
  }
}
