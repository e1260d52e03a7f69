import { describe, expect, it } from "vitest"
import { draws } from "../../src/model/draws.ts"
import { intervalOf, medianOf } from "../../src/validate/bootstrap.ts"

describe("the bootstrap interval", () => {
  it("is the same for the same seed, holds the figure, and is a point where all documents agree", () => {
    const bits = [10, 30, 20, 70, 5, 45]
    const bytes = [10, 20, 15, 30, 5, 25]
    const interval = intervalOf(bits, bytes, 1)!
    expect(intervalOf(bits, bytes, 1)).toEqual(interval)
    expect(intervalOf(bits, bytes, 2)).not.toEqual(interval)
    expect(interval.low).toBeLessThan(180 / 105)
    expect(interval.high).toBeGreaterThan(180 / 105)
    expect(intervalOf([4, 6, 2], [2, 3, 1], 1)).toEqual({ low: 2, high: 2 })
  })

  it("is that of the normal approximation where there are many documents", () => {
    const draw = draws("bootstrap test")
    const bits = Array.from({ length: 400 }, () => 1 + draw())
    const mean = bits.reduce((sum, each) => sum + each, 0) / 400
    const deviation = Math.sqrt(bits.reduce((sum, each) => sum + (each - mean) ** 2, 0) / 399 / 400)
    const interval = intervalOf(
      bits,
      bits.map(() => 1),
      1
    )!
    expect(interval.low).toBeCloseTo(mean - 1.96 * deviation, 2)
    expect(interval.high).toBeCloseTo(mean + 1.96 * deviation, 2)
  })

  it("is none of one document, or of no text", () => {
    expect(intervalOf([3], [1], 1)).toBeNull()
    expect(intervalOf([3, 4], [0, 0], 1)).toBeNull()
  })
})

describe("the median", () => {
  it("is the middle value, or the mean of the two in the middle", () => {
    expect(medianOf([3, 1, 2])).toBe(2)
    expect(medianOf([4, 1, 2, 3])).toBe(2.5)
    expect(medianOf([])).toBeNull()
  })
})
