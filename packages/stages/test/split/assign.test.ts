import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { assign } from "../../src/split/assign.ts"

const corpus = fc.record({
  lengths: fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 2, maxLength: 60 }),
  validation: fc.double({ min: 0.01, max: 0.9, noNaN: true }),
  test: fc.double({ min: 0, max: 0.9, noNaN: true }),
  seed: fc.integer()
})

describe("assigning documents to splits", () => {
  it("puts every document on one side, and leaves training and validation some", () => {
    fc.assert(
      fc.property(corpus, ({ lengths, seed, ...shares }) => {
        const { test, train, validation } = assign(Float64Array.from(lengths), shares, seed)
        assert.isAbove(train.length, 0)
        assert.isAbove(validation.length, 0)
        assert.deepStrictEqual(
          [...train, ...validation, ...test].sort((a, b) => a - b),
          lengths.map((_, id) => id)
        )
      })
    )
  })

  it("comes as near to the shares as a single document allows", () => {
    fc.assert(
      fc.property(corpus, ({ lengths, seed, ...shares }) => {
        const { test, train, validation } = assign(Float64Array.from(lengths), shares, seed)
        const bytes = (ids: Uint32Array) => ids.reduce((sum, id) => sum + lengths[id]!, 0)
        const total = lengths.reduce((sum, length) => sum + length, 0)
        const longest = Math.max(...lengths)
        assert.isAtMost(Math.abs(bytes(validation) - shares.validation * total), longest)
        // Shares that ask for more than there is leave training one document.
        if (train.length > 1) assert.isAtMost(Math.abs(bytes(test) - shares.test * total), longest)
      })
    )
  })

  it("takes the test split from the end, and nothing from validation", () => {
    fc.assert(
      fc.property(corpus, ({ lengths, seed, test: share, validation }) => {
        const sizes = Float64Array.from(lengths)
        const without = assign(sizes, { validation, test: 0 }, seed)
        const { test, train, ...withTest } = assign(sizes, { validation, test: share }, seed)
        assert.lengthOf(without.test, 0)
        assert.deepStrictEqual(withTest.validation, without.validation)
        // Only what was too long for the share may stay behind the first test document.
        const from = test.length === 0 ? train.length : without.train.indexOf(test[0]!)
        assert.deepStrictEqual(train.subarray(0, from), without.train.subarray(0, from))
        const total = lengths.reduce((sum, length) => sum + length, 0)
        for (const id of train.subarray(from)) assert.isAtLeast(lengths[id]!, 2 * share * total - 1e-6)
      })
    )
  })

  it("takes no test document where each is more than twice the share", () => {
    const { test } = assign(
      Float64Array.from({ length: 4 }, () => 100),
      { validation: 0.1, test: 0.1 },
      1
    )
    assert.lengthOf(test, 0)
  })

  it("is the same for the same seed, and another for another", () => {
    const lengths = Float64Array.from({ length: 50 }, (_, id) => 100 + id)
    const shares = { validation: 0.1, test: 0.1 }
    assert.deepStrictEqual(assign(lengths, shares, 1), assign(lengths, shares, 1))
    assert.notDeepEqual(assign(lengths, shares, 1).validation, assign(lengths, shares, 2).validation)
    assert.notDeepEqual(assign(lengths, shares, 1).test, assign(lengths, shares, 2).test)
  })
})
