/**
 * How many workers a program's runs wake: all of them, or one alone.
 *
 * A short program is cut into phases of some microseconds. Where other programs want the same cores, the system suspends a worker that
 * holds one of the few tasks of a phase, and all others wait for milliseconds: then one worker alone is many times faster than two.
 * This cannot be known beforehand, so both ways are timed from time to time, and the faster one is taken. Results do not depend on it.
 */

/** A program with more milliseconds of work is always for all workers: its tasks are long beside what the system takes away. */
const long = 100
/** Runs of each way that are timed at first, and again when the taken way has become slow. */
const trials = 3
/** Runs until the way that was not taken is tried again: at first, and at most. */
const retrial = { first: 16, most: 512 }
/** Weight of the newest run in a way's mean time. */
const newest = 0.25

type Way = "alone" | "together"

export class ActiveWorkers {
  readonly #workers: number
  readonly #tries: boolean
  readonly #milliseconds = new Map<Way, number>()
  /** Runs to come that are trials. */
  #trying: Array<Way> = []
  #way: Way = "together"
  /** Time of the taken way when it was taken. */
  #expected = Infinity
  #left = 0
  #interval = retrial.first
  #runs = 0

  /** `workers` is how many may be awake at once; `milliseconds` is about how long the program takes on one thread of a quiet machine. */
  constructor(workers: number, milliseconds: number) {
    this.#workers = workers
    this.#tries = workers > 1 && milliseconds <= long
  }

  /** Workers that the next run may wake. */
  get size(): number {
    return this.#next === "alone" ? 1 : this.#workers
  }

  /** Says how long the run took that `size` was asked for. */
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
    const other: Way = this.#way === "alone" ? "together" : "alone"
    const first = slower || !this.#milliseconds.has("alone")
    this.#milliseconds.delete(other)
    this.#trying = Array.from({ length: first ? trials : 1 }, () => other)
  }

  get #next(): Way {
    return this.#trying.at(-1) ?? this.#way
  }

  #mean(way: Way): number {
    return this.#milliseconds.get(way) ?? 0
  }

  #choose(): void {
    const better: Way = this.#mean("alone") < 0.95 * this.#mean("together") ? "alone" : "together"
    this.#interval = better === this.#way ? Math.min(retrial.most, 2 * this.#interval) : retrial.first
    this.#way = better
    this.#expected = this.#mean(better)
    this.#left = this.#interval
  }
}
