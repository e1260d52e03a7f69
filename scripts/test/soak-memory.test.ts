import { describe, expect, it } from "vitest"
import { judge, medianSlope, type Sample } from "../soak/memory.ts"

const mebibyte = 2 ** 20
const steps = 20_000

/** A run looked at every 200 steps and collected every 2,500, as the soak sees it. */
const run = (of: (step: number) => Partial<Sample>): ReadonlyArray<Sample> =>
  Array.from({ length: 100 }, (_, index) => {
    const step = (index + 1) * 200
    const collected = step % 2_500 < 200
    const kept = collected ? 64 * mebibyte : null
    const outside = collected ? 135 * mebibyte : null
    return { step, resident: 314 * mebibyte, kept, outside, threads: 14, openFiles: 31, ...of(step) }
  })

/** As a run grows to its working size in its first 5,000 steps. */
const warming = (step: number) => (145 + 34 * Math.min(5, step / 1000)) * mebibyte

const keptWith = (mebibytesEachThousand: number) => (step: number) => ({
  resident: warming(step),
  kept: step % 2_500 < 200 ? (64 + (mebibytesEachThousand * step) / 1000) * mebibyte : null
})

describe("the soak's verdict on memory", () => {
  it("passes a run that grows to its working size and then stays", () => {
    const { ok, text } = judge(run(keptWith(0.13)), steps)
    expect(text).toContain("slope 0.00 MiB")
    expect(text).toContain("slope 0.13 MiB")
    expect(ok).toBe(true)
  })

  it("sees a leak of 1 MiB per 1,000 steps, though what the process had freed before hides it from the resident memory", () => {
    const { ok, text } = judge(run(keptWith(1)), steps)
    expect(text).toContain("slope 1.00 MiB")
    expect(ok).toBe(false)
  })

  it("sees a leak outside V8, of which collections know nothing, though the heap gives back as much", () => {
    const leaking = run((step) => ({
      outside: step % 2_500 < 200 ? (135 + step / 1000) * mebibyte : null
    }))
    const { ok, text } = judge(leaking, steps)
    expect(text).toContain("resident outside V8 142.6 to 155.0 MiB, slope 1.00 MiB")
    expect(ok).toBe(false)
  })

  it("is not misled by one late jump, and sees threads and open files that only grow", () => {
    const jump = run((step) => ({ resident: (step < 16_000 ? 300 : 330) * mebibyte }))
    expect(judge(jump, steps).ok).toBe(true)
    expect(
      judge(
        run((step) => ({ openFiles: 31 + (step % 400 === 0 ? 1 : 0) })),
        steps
      ).ok
    ).toBe(true)
    expect(
      judge(
        run((step) => ({ openFiles: 31 + Math.floor(step / 5_000) })),
        steps
      ).ok
    ).toBe(false)
    expect(
      judge(
        run((step) => ({ threads: 14 + Math.floor(step / 5_000) })),
        steps
      ).ok
    ).toBe(false)
  })

  it("judges a run that was left alone by its resident memory", () => {
    const alone = judge(
      run((step) => ({ kept: null, outside: null, resident: warming(step) })),
      steps
    )
    expect(alone.ok).toBe(true)
    expect(alone.text).not.toContain("kept")
    expect(
      judge(
        run((step) => ({ kept: null, outside: null, resident: step * 2_000 })),
        steps
      ).ok
    ).toBe(false)
  })

  it("does not judge from a handful of samples", () => {
    expect(judge(run(() => ({})).slice(-5), steps).ok).toBe(false)
  })
})

it("the slope is the median of those between any two points", () => {
  expect(
    medianSlope([
      [0, 1],
      [1, 3],
      [2, 5],
      [3, 70],
      [4, 9]
    ])
  ).toBe(2)
})
