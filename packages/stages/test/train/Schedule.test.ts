import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { learningRate, type Schedule } from "../../src/train/Schedule.ts"

describe("learning rate", () => {
  const schedule: Schedule = {
    kind: "cosine",
    steps: 100,
    warmUp: 10,
    constantUntil: 10,
    decay: 100,
    peak: 1,
    floor: 0.1
  }

  it("rises in a line, stands at its peak, and falls to its floor", () => {
    assert.strictEqual(learningRate(schedule, 1), 0.1)
    assert.strictEqual(learningRate(schedule, 5), 0.5)
    assert.strictEqual(learningRate(schedule, 10), 1)
    assert.closeTo(learningRate(schedule, 55), 0.55, 1e-12)
    assert.closeTo(learningRate(schedule, 100), 0.1, 1e-12)
  })

  it("stays at its floor where the cosine ends before the run", () => {
    const short = { ...schedule, decay: 55 }
    assert.isAbove(learningRate(short, 54), 0.1)
    assert.deepStrictEqual(
      [55, 56, 100].map((step) => learningRate(short, step)),
      [0.1, 0.1, 0.1]
    )
  })

  it("linear: stays at its peak, then falls by equal amounts and never to its floor before the decay is over", () => {
    const line: Schedule = { ...schedule, kind: "linear", constantUntil: 60, floor: 0 }
    assert.deepStrictEqual(
      [5, 10, 11, 60].map((step) => learningRate(line, step)),
      [0.5, 1, 1, 1]
    )
    assert.closeTo(learningRate(line, 61), 40 / 41, 1e-12)
    assert.closeTo(learningRate(line, 80), 21 / 41, 1e-12)
    assert.closeTo(learningRate(line, 100), 1 / 41, 1e-12)
    assert.strictEqual(learningRate(line, 101), 0)
  })

  it("never leaves its bounds and never rises after the warm-up", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("cosine" as const, "linear" as const),
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 0, max: 60 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 0, max: 60 }),
        (kind, steps, warmUp, floor, constant) => {
          const constantUntil = kind === "linear" ? Math.max(warmUp, constant) : warmUp
          const rates = Array.from({ length: steps }, (_, index) =>
            learningRate({ kind, steps, warmUp, constantUntil, decay: steps, peak: 1, floor }, index + 1)
          )
          assert.isTrue(rates.every((rate) => rate >= 0 && rate <= 1))
          const falling = rates.slice(warmUp)
          assert.isTrue(falling.every((rate, index) => index === 0 || rate <= falling[index - 1]! + 1e-12))
        }
      )
    )
  })
})
