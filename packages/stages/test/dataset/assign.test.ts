import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { assign } from "../../src/dataset/assign.ts"

const corpus = fc.record({
  lengths: fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 2, maxLength: 60 }),
  share: fc.double({ min: 0.01, max: 0.9, noNaN: true }),
  seed: fc.integer()
})

describe("assigning documents to splits", () => {
  it("puts every document on one side, and leaves no side empty", () => {
    fc.assert(
      fc.property(corpus, ({ lengths, seed, share }) => {
        const { train, validation } = assign(Float64Array.from(lengths), share, seed)
        assert.isAbove(train.length, 0)
        assert.isAbove(validation.length, 0)
        assert.deepStrictEqual(
          [...train, ...validation].sort((a, b) => a - b),
          lengths.map((_, id) => id)
        )
      })
    )
  })

  it("comes as near to the share as a single document allows", () => {
    fc.assert(
      fc.property(corpus, ({ lengths, seed, share }) => {
        const { validation } = assign(Float64Array.from(lengths), share, seed)
        const total = lengths.reduce((sum, length) => sum + length, 0)
        const taken = validation.reduce((sum, id) => sum + lengths[id]!, 0)
        assert.isAtMost(Math.abs(taken - share * total), Math.max(...lengths))
      })
    )
  })

  it("is the same for the same seed, and another for another", () => {
    const lengths = Float64Array.from({ length: 50 }, (_, id) => 100 + id)
    assert.deepStrictEqual(assign(lengths, 0.1, 1), assign(lengths, 0.1, 1))
    assert.notDeepEqual(assign(lengths, 0.1, 1), assign(lengths, 0.1, 2))
  })
})
