import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Overlap } from "../../src/validate/overlap.ts"

const longestByTrying = (completion: ReadonlyArray<number>, training: ReadonlyArray<number>) => {
  let longest = 0
  for (let i = 0; i < completion.length; i++) {
    for (let j = 0; j < training.length; j++) {
      let run = 0
      while (i + run < completion.length && completion[i + run] === training[j + run]) run++
      longest = Math.max(longest, run)
    }
  }
  return longest
}

const tokens = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 30 })

describe("overlap with the training text", () => {
  it("finds the longest shared run and where it starts", () => {
    const overlap = new Overlap([
      [1, 2, 3, 4, 5],
      [9, 9],
      [7, 2, 3]
    ])
    overlap.read([8, 2, 3, 4, 0, 7, 2])
    expect(overlap.longest()).toEqual([
      { start: 1, tokens: 3 },
      { start: 0, tokens: 0 },
      { start: 0, tokens: 2 }
    ])
  })

  it("agrees with trying every pair of places, however the text is cut into pieces", () => {
    fc.assert(
      fc.property(fc.array(tokens, { maxLength: 4 }), tokens, fc.nat(30), (completions, training, cut) => {
        const overlap = new Overlap(completions)
        overlap.read(training.slice(0, cut))
        overlap.read(training.slice(cut))
        const found = overlap.longest()
        completions.forEach((completion, index) => {
          expect(found[index]!.tokens).toBe(longestByTrying(completion, training))
        })
      }),
      { numRuns: 500 }
    )
  })

  it("does not join the end of one document to the start of the next", () => {
    const overlap = new Overlap([[1, 2, 3, 4]])
    overlap.read([1, 2, 0, 3, 4])
    expect(overlap.longest()[0]!.tokens).toBe(2)
  })
})
