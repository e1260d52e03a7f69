import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { History } from "../../src/generate/History.ts"

/** The same by comparing each place with the end, token by token. */
const byComparing = (tokens: ReadonlyArray<number>, least: number) => {
  const found = new Map<number, number>()
  for (let at = 0; at + 1 < tokens.length; at++) {
    let length = 0
    while (length <= at && tokens[at - length] === tokens[tokens.length - 1 - length]) length++
    const next = tokens[at + 1]!
    if (length >= least) found.set(next, Math.max(length, found.get(next) ?? 0))
  }
  return found
}

describe("History", () => {
  it("knows what would go on with a repetition, and how long it is, as tokens are added", () => {
    const tokens = fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 40 })
    fc.assert(
      fc.property(tokens, tokens, fc.integer({ min: 1, max: 4 }), (prompt, added, least) => {
        const history = new History(prompt)
        assert.deepStrictEqual(history.repetitions(least), byComparing(prompt, least))
        for (const token of added) history.add(token)
        const all = [...prompt, ...added]
        assert.deepStrictEqual(history.repetitions(least), byComparing(all, least))
        assert.deepStrictEqual(history.ids, new Set(all))
      })
    )
  })
})
