import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import * as Stage from "../../src/graph/Stage.ts"
import { type Collection, leakIn, type Sample, watchCollections, windowLength } from "../../src/run/Health.ts"
import { live, runAll, Text } from "../harness.ts"

const megabyte = 1 << 20

/** A run that has been looked at so many times, every five seconds. */
const samples = (length: number, of: (i: number) => Partial<Sample>): ReadonlyArray<Sample> =>
  Array.from({ length }, (_, i) => ({
    residentBytes: 300 * megabyte,
    heapBytes: 50 * megabyte,
    outsideBytes: 120 * megabyte,
    threads: 12,
    cpu: 2,
    openFiles: 30,
    ...of(i)
  }))

/** What its full collections left, one every half a minute. */
const collections = (length: number, megabytes: (i: number) => number): ReadonlyArray<Collection> =>
  Array.from({ length }, (_, i) => ({ at: 30 * i, bytes: megabytes(i) * megabyte }))

const outside = (megabytes: (i: number) => number, length = windowLength) =>
  leakIn(
    samples(length, (i) => ({ outsideBytes: megabytes(i) * megabyte })),
    [],
    5
  )

/** How a run grows to its working size: fast at first, then ever more slowly. */
const settling = (i: number, time: number) => 60 + 90 * (1 - Math.exp(-i / time))

describe("leaks of memory", () => {
  it("outside the heap: a slow straight line is named with its size and time", () => {
    expect(outside((i) => 120 + 0.4 * i)).toBe(
      "memory outside the JavaScript heap rose steadily by 20 MB in the last 5 minutes"
    )
  })

  it("outside the heap: what is given back now and then, settles, slackens, or is young, is no leak", () => {
    expect(outside((i) => 120 + (i % 17) * 9)).toBeNull()
    expect(outside((i) => 120 + Math.min(i, 15) * 9)).toBeNull()
    expect(outside((i) => settling(i, 20))).toBeNull()
    expect(outside((i) => settling(i, 40))).toBeNull()
    expect(outside((i) => 120 + 9 * i, windowLength - 1)).toBeNull()
  })

  it("in the heap: what full collections leave tells, not what waits for one", () => {
    const none = samples(windowLength, () => ({}))
    expect(
      leakIn(
        none,
        collections(12, (i) => 52 + 3 * i),
        5
      )
    ).toBe("memory that no collection frees rose steadily by 30 MB in the last 5.5 minutes")
    expect(
      leakIn(
        none,
        collections(12, (i) => settling(i, 4)),
        5
      )
    ).toBeNull()
    expect(
      leakIn(
        none,
        collections(12, (i) => 52 + (i % 5) * 9),
        5
      )
    ).toBeNull()
    expect(
      leakIn(
        none,
        collections(11, (i) => 52 + 3 * i),
        5
      )
    ).toBeNull()
  })

  it("the first minutes of a slow run, which fills its young generation for the first time, are no leak", () => {
    // Recorded from a run on the cpu engine (MB, a figure a second), stretched to five seconds a figure.
    const resident = [
      152, 177, 221, 238, 245, 251, 305, 327, 332, 333, 343, 347, 347, 347, 348, 348, 348, 349, 349, 349, 351,
      349, 349, 349, 349, 349, 349, 350, 350, 351, 351, 351, 351, 353
    ]
    const beyond = [
      72, 69, 94, 93, 93, 93, 95, 96, 97, 96, 96, 147, 142, 160, 155, 153, 153, 160, 158, 154, 154, 160, 167,
      166, 165, 161, 167, 160, 160, 166, 163, 164, 164, 170
    ]
    for (const stretch of [2, 3, 5, 10, 30]) {
      const run = samples(resident.length * stretch, (i) => ({
        residentBytes: (resident[Math.floor(i / stretch)] ?? 0) * 1e6,
        outsideBytes: (beyond[Math.floor(i / stretch)] ?? 0) * 1e6
      }))
      for (let seen = windowLength; seen <= run.length; seen++)
        expect(leakIn(run.slice(0, seen), [], 5)).toBeNull()
    }
    // A young generation whose pages are touched for the first time, one after another, is a straight line of resident memory.
    const straight = samples(windowLength, (i) => ({ residentBytes: (150 + i) * megabyte }))
    expect(leakIn(straight, [], 5)).toBeNull()
  })
})

describe("leaks of files and threads", () => {
  const counted = (of: (i: number) => Partial<Sample>) => leakIn(samples(windowLength, of), [], 5)

  it("those that only grow are named", () => {
    expect(counted((i) => ({ openFiles: 30 + i }))).toContain("open files rose steadily from 30")
    expect(counted((i) => ({ threads: 10 + i }))).toContain("threads rose steadily from 10")
  })

  it("one more, or none known, is no leak", () => {
    expect(counted((i) => ({ openFiles: i > 30 ? 31 : 30 }))).toBeNull()
    expect(counted(() => ({ openFiles: null, threads: null }))).toBeNull()
  })
})

it.live("a full collection is noticed, and what it left", () =>
  Effect.gen(function* () {
    const seen = yield* watchCollections(0.01)
    setFlagsFromString("--expose-gc")
    const collect: unknown = runInNewContext("gc")
    if (typeof collect !== "function") throw new Error("V8 gives no way to collect")
    // What else the process holds or lets go of is not this test's: only what must be there is waited for.
    const holding: Array<Uint8Array> = []
    while (holding.length < 2) {
      holding.push(new Uint8Array(32 * megabyte).fill(1))
      do {
        collect()
        // Longer than the interval within which collections count as one.
        yield* Effect.sleep("60 millis")
      } while ((seen.at(-1)?.bytes ?? 0) < holding.length * 32 * megabyte)
    }
  })
)

it.live("a run's health is in its events while it goes on", () =>
  Effect.gen(function* () {
    const slow = Stage.make({
      name: "slow",
      version: 1,
      source: import.meta.url,
      inputs: {},
      output: Text,
      config: {},
      run: () => Effect.as(Effect.sleep("1 second"), { length: 1 })
    })
    const { events } = yield* runAll(
      Pipeline.make("slow", () => slow()),
      { healthEvery: 0.02 }
    )
    const health = events.filter((event) => event.type === "Health")
    expect(health.length).toBeGreaterThan(1)
    expect(health[0]!.residentBytes).toBeGreaterThan(megabyte)
    if (process.platform === "linux") {
      expect(health[0]!.threads).toBeGreaterThan(0)
      expect(health[0]!.openFiles).toBeGreaterThan(0)
    }
  }).pipe(Effect.provide(live))
)
