import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { indexAt, startsInWindow } from "../../src/dataset/DocumentStarts.ts"

const documents = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 })

const layOut = (lengths: ReadonlyArray<number>) => {
  let length = 0
  const starts = Float64Array.from(lengths, (each) => {
    length += each
    return length - each
  })
  // The number of the document of each token.
  const owners = lengths.flatMap((each, index) => Array.from({ length: each }, () => index))
  return { length, starts, owners }
}

describe("where documents begin", () => {
  it("finds the document of each token", () => {
    fc.assert(
      fc.property(documents, (lengths) => {
        const { owners, starts } = layOut(lengths)
        assert.deepStrictEqual(
          owners.map((_, token) => indexAt(starts, token)),
          owners
        )
      })
    )
  })

  it("says for each token of a window where its document begins in it, also past the end of the split", () => {
    fc.assert(
      fc.property(documents, fc.nat(200), fc.integer({ min: 1, max: 300 }), (lengths, seed, count) => {
        const { length, owners, starts } = layOut(lengths)
        const from = seed % length
        let begin = 0
        const expected = Array.from({ length: count }, (_, at) => {
          const token = (from + at) % length
          // A document begins where the owner changes, and at token 0 of each lap.
          if (at > 0 && (token === 0 || owners[token] !== owners[token - 1])) begin = at
          return begin
        })
        assert.deepStrictEqual([...startsInWindow(starts, length, from, count)], expected)
      })
    )
  })

  it("gives an example: documents of 3, 2 and 4 tokens, a window of 8 from token 4", () => {
    assert.deepStrictEqual([...startsInWindow(Float64Array.of(0, 3, 5), 9, 4, 8)], [0, 1, 1, 1, 1, 5, 5, 5])
  })
})
