import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type Learned, learnMerges } from "../../src/tokenize/learnMerges.ts"
import { mergeWords } from "../../src/tokenize/mergeWords.ts"

const finish = (learning: Generator<number, Learned>): Learned => {
  let step = learning.next()
  while (step.done !== true) step = learning.next()
  return step.value
}

describe("encoding counted words with learned merges", () => {
  it("makes of the learned words the tokens that learning counted", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ unit: fc.constantFrom(..."abcd\u20ac"), minLength: 1, maxLength: 12 }), {
          minLength: 1,
          maxLength: 20
        }),
        (list) => {
          const words = new Map(list.map((word, index) => [word, 1 + (index % 5)]))
          const learned = finish(learnMerges(words, 300, 2))
          const { totalTokens, usedTokens } = mergeWords(words, learned)
          assert.strictEqual(totalTokens, learned.totalTokens)
          assert.deepStrictEqual([...usedTokens].sort(), [...learned.usedTokens].sort())
        }
      )
    )
  })
})
