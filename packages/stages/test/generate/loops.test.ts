import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { leastRepeats, leastTokens, longestRun, loopDetector } from "../../src/generate/loops.ts"

/** The index of the token with which a loop is found, and the loop. */
const firstLoop = (tokens: ReadonlyArray<number>) => {
  const detect = loopDetector()
  for (const [at, token] of tokens.entries()) {
    const loop = detect(token)
    if (loop !== undefined) return { at, ...loop }
  }
  return undefined
}

/** The rule, as it is written: the shortest run whose repetition ends the tokens. */
const byRule = (tokens: ReadonlyArray<number>) => {
  for (let at = 0; at < tokens.length; at++)
    for (let length = 1; length <= longestRun; length++) {
      let repeated = length
      while (repeated <= at && tokens[at - repeated + length] === tokens[at - repeated]) repeated++
      if (repeated <= at + 1 && repeated >= leastTokens && repeated >= leastRepeats * length)
        return { at, length, repeats: Math.floor(repeated / length) }
    }
  return undefined
}

describe("loopDetector", () => {
  it("finds a run of any length up to 64 after 4 times and 48 tokens", () => {
    for (let length = 1; length <= longestRun; length++) {
      const tokens = Array.from({ length: 400 }, (_, index) => index % length)
      const end = Math.max(leastTokens, leastRepeats * length)
      assert.deepStrictEqual(firstLoop(tokens), { at: end - 1, length, repeats: Math.floor(end / length) })
      assert.isUndefined(firstLoop(tokens.slice(0, end - 1)))
    }
    assert.isUndefined(firstLoop(Array.from({ length: 1000 }, (_, index) => index % (longestRun + 1))))
  })

  it("does what the rule says, after any beginning", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 40 }),
        fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 30 }),
        (before, run, times) => {
          const tokens = [...before, ...Array.from({ length: times }, () => run).flat()]
          assert.deepStrictEqual(firstLoop(tokens), byRule(tokens))
        }
      )
    )
  })

  it("lets lines that are alike but not the same go on", () => {
    const lines = Array.from({ length: 100 }, (_, index) => [1, 2, 3, 1000 + index, 4])
    assert.isUndefined(firstLoop(lines.flat()))
  })
})
