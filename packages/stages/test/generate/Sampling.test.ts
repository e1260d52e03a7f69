import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { pick } from "../../src/generate/Sampling.ts"

const logits = fc
  .array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 30 })
  .map((values) => Float32Array.from(values))
const uniform = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })

describe("pick", () => {
  it("takes the most likely token at temperature 0", () => {
    fc.assert(
      fc.property(logits, uniform, (values, draw) => {
        const id = pick(values, { temperature: 0 }, draw)
        assert.isTrue(values.every((value) => value <= values[id]!))
      })
    )
  })

  it("draws only from the most likely k", () => {
    fc.assert(
      fc.property(logits, uniform, fc.integer({ min: 1, max: 5 }), (values, draw, topK) => {
        const id = pick(values, { temperature: 1, topK }, draw)
        assert.isBelow(values.filter((value) => value > values[id]!).length, topK)
      })
    )
  })

  it("draws every one of the most likely k, and those as likely as the last of them", () => {
    fc.assert(
      fc.property(logits, fc.integer({ min: 1, max: 30 }), (values, topK) => {
        const least = Float32Array.from(values).sort().at(-topK) ?? Number.NEGATIVE_INFINITY
        const drawn = new Set<number>()
        // So hot that all are about as likely as each other.
        for (let i = 0; i < 300; i++) drawn.add(pick(values, { temperature: 1e6, topK }, (i + 0.5) / 300))
        assert.deepStrictEqual(
          [...drawn].sort((a, b) => a - b),
          [...values.keys()].filter((id) => values[id]! >= least)
        )
      })
    )
  })

  it("draws each token as often as the softmax says", () => {
    const values = Float32Array.of(0, Math.log(2), Math.log(5))
    const counts = [0, 0, 0]
    for (let i = 0; i < 8000; i++) counts[pick(values, { temperature: 1 }, (i + 0.5) / 8000)]!++
    assert.deepStrictEqual(counts, [1000, 2000, 5000])
  })

  it("is surer when colder", () => {
    const values = Float32Array.of(0, 1)
    const share = (temperature: number) => {
      let second = 0
      for (let i = 0; i < 1000; i++) second += pick(values, { temperature }, (i + 0.5) / 1000)
      return second
    }
    assert.isAbove(share(0.3), share(1))
    assert.isAbove(share(1), share(3))
  })
})
