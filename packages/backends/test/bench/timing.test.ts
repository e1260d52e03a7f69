/** What repeated measurements say. */
import { assert, describe, it } from "@effect/vitest"
import { isNarrow, makeObserver, timingOf } from "../../src/bench/timing.ts"
import { uniform } from "../../src/contract/random.ts"

describe("timing", () => {
  it("holds the true median in its interval about 95 times of 100", () => {
    const next = uniform(7)
    let held = 0
    for (let sample = 0; sample < 500; sample++) {
      const { high, low } = timingOf(Array.from({ length: 40 }, () => next() ** 3))
      if (low <= 0.125 && 0.125 <= high) held++
    }
    assert.isAbove(held, 0.92 * 500)
    assert.isBelow(held, 0.99 * 500)
  })

  it("is the whole range of few times, and is narrow only of many that agree", () => {
    const few = timingOf([3, 1, 2])
    assert.deepStrictEqual(few, { median: 2, minimum: 1, low: 1, high: 3, runs: 3 })
    assert.isFalse(isNarrow(timingOf([1, 1, 1])))
    assert.isTrue(isNarrow(timingOf(Array.from({ length: 50 }, () => 1))))
    assert.isFalse(isNarrow(timingOf(Array.from({ length: 50 }, (_, i) => 1 + i))))
  })

  it("an observer says nothing of a moment", () => {
    const observer = makeObserver()
    observer.begin()()
    assert.isNull(observer.others())
  })
})
