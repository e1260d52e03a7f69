/**
 * How many workers a program's runs wake, all of them or one alone, and whether the main thread takes tasks in the place of one.
 *
 * A short program is cut into phases of some microseconds. Where other programs want the same cores, the system suspends a worker that
 * holds one of the few tasks of a phase, and all others wait for milliseconds: then one worker alone is many times faster than two. And a
 * thread that has slept is taken up at once where one that has always computed waits for its turn: then the workers are faster without the
 * main thread, which on a quiet machine saves the time to wake one. This cannot be known beforehand, so all ways are timed from time
 * to time, and the fastest one is taken. Results do not depend on it.
 */

/** A program with more milliseconds of work is always for all workers: its tasks are long beside what the system takes away. */
const long = 100
/** Runs of each way that are timed at first, and again when the taken way has become slow. */
const trials = 3
/** Runs until the ways that were not taken are tried again: at first, and at most. */
const retrial = { first: 16, most: 512 }
/** Weight of the newest run in a way's mean time. */
const newest = 0.25
/** The first way is left only for one that takes less than this share of its time. */
const advantage = 0.95

interface Way {
  /** Threads that compute, the main thread with them where it helps. */
  readonly size: number
  readonly helps: boolean
}

/** All ways, the one to begin with first. */
const waysOf = (workers: number, helps: boolean): readonly [Way, ...ReadonlyArray<Way>] => {
  const plain: readonly [Way, ...ReadonlyArray<Way>] = [
    { size: workers, helps: false },
    ...(workers > 1 ? [{ size: 1, helps: false }] : [])
  ]
  return helps ? [{ size: workers, helps }, ...(workers > 1 ? [{ size: 1, helps }] : []), plain[0]] : plain
}

export class ActiveWorkers {
  readonly #ways: ReadonlyArray<Way>
  readonly #first: Way
  readonly #tries: boolean
  readonly #milliseconds = new Map<Way, number>()
  /** Runs to come that are trials. */
  #trying: Array<Way> = []
  #way: Way
  /** Time of the taken way when it was taken. */
  #expected = Infinity
  #left = 0
  #interval = retrial.first
  #runs = 0

  /**
   * `workers` is how many may be awake at once; `milliseconds` is about how long the program takes on one thread of a quiet machine;
   * `helps` says whether the main thread may compute.
   */
  constructor(workers: number, milliseconds: number, helps = false) {
    this.#ways = waysOf(workers, helps)
    this.#way = this.#first = this.#ways[0]!
    this.#tries = this.#ways.length > 1 && milliseconds <= long
  }

  /** Threads that compute in the next run. */
  get size(): number {
    return this.#next.size
  }

  /** Whether the main thread is one of them. */
  get helps(): boolean {
    return this.#next.helps
  }

  /** Says how long the run took that `size` and `helps` were asked for. */
  took(milliseconds: number): void {
    if (!this.#tries) return
    const way = this.#next
    // The first run also compiles and touches memory for the first time.
    if (this.#runs++ === 0) return
    const before = this.#milliseconds.get(way)
    this.#milliseconds.set(
      way,
      before === undefined ? milliseconds : before + newest * (milliseconds - before)
    )
    if (this.#trying.length > 0) {
      this.#trying.pop()
      if (this.#trying.length === 0) this.#choose()
      return
    }
    this.#left--
    const slower = this.#mean(this.#way) > 2 * this.#expected
    if (slower) this.#interval = retrial.first
    if (this.#left > 0 && !slower) return
    const others = this.#ways.filter((other) => other !== this.#way)
    const first = slower || others.some((other) => !this.#milliseconds.has(other))
    for (const other of others) this.#milliseconds.delete(other)
    this.#trying = others.flatMap((other) => Array.from({ length: first ? trials : 1 }, () => other))
  }

  get #next(): Way {
    return this.#trying.at(-1) ?? this.#way
  }

  #mean(way: Way): number {
    return this.#milliseconds.get(way) ?? 0
  }

  #choose(): void {
    const cost = (way: Way) => this.#mean(way) * (way === this.#first ? advantage : 1)
    const better = this.#ways.reduce((best, way) => (cost(way) < cost(best) ? way : best))
    this.#interval = better === this.#way ? Math.min(retrial.most, 2 * this.#interval) : retrial.first
    this.#way = better
    this.#expected = this.#mean(better)
    this.#left = this.#interval
  }
}
