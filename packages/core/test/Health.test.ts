import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { leakIn, type Sample, windowLength } from "../src/Health.ts"
import * as Pipeline from "../src/Pipeline.ts"
import * as Stage from "../src/Stage.ts"
import { live, runAll, Text } from "./harness.ts"

const megabyte = 1 << 20
const samples = (length: number, of: (i: number) => Partial<Sample>): ReadonlyArray<Sample> =>
  Array.from({ length }, (_, i) => ({
    residentBytes: 300 * megabyte,
    heapBytes: 50 * megabyte,
    threads: 12,
    cpu: 2,
    openFiles: 30,
    ...of(i)
  }))

describe("leaks", () => {
  it("a steady rise of memory is named with its size and time", () => {
    const rising = samples(windowLength, (i) => ({ residentBytes: (300 + 2 * i) * megabyte }))
    expect(leakIn(rising, 5)).toBe("resident memory rose steadily by 100 MB in the last 5 minutes")
  })

  it("memory that is collected now and then, that settles, or that is young, is no leak", () => {
    expect(
      leakIn(
        samples(windowLength, (i) => ({ residentBytes: (300 + (i % 17) * 9) * megabyte })),
        5
      )
    ).toBeNull()
    expect(
      leakIn(
        samples(windowLength, (i) => ({ residentBytes: (300 + Math.min(i, 15) * 9) * megabyte })),
        5
      )
    ).toBeNull()
    expect(
      leakIn(
        samples(windowLength - 1, (i) => ({ residentBytes: (300 + 9 * i) * megabyte })),
        5
      )
    ).toBeNull()
  })

  it("open files and threads that only grow are named", () => {
    expect(
      leakIn(
        samples(windowLength, (i) => ({ openFiles: 30 + i })),
        5
      )
    ).toContain("open files rose steadily from 30")
    expect(
      leakIn(
        samples(windowLength, (i) => ({ threads: 10 + i })),
        5
      )
    ).toContain("threads rose steadily from 10")
    expect(
      leakIn(
        samples(windowLength, (i) => ({ openFiles: i > 30 ? 31 : 30 })),
        5
      )
    ).toBeNull()
    expect(
      leakIn(
        samples(windowLength, () => ({ openFiles: null, threads: null })),
        5
      )
    ).toBeNull()
  })
})

it.live("a run's health is in its events while it goes on", () =>
  Effect.gen(function* () {
    const slow = Stage.make({
      name: "slow",
      version: 1,
      source: import.meta.url,
      inputs: {},
      output: Text,
      config: {},
      run: () => Effect.as(Effect.sleep("120 millis"), { length: 1 })
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
