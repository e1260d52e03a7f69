import { describe, expect, it } from "vitest"
import { draws } from "../../src/model/draws.ts"
import { ContextCounts } from "../../src/ngrams/ContextCounts.ts"

const draw = draws("context counts")
const tokens = Array.from({ length: 600 }, () => Math.floor(5 * draw() ** 2))

describe("counts of contexts", () => {
  it("are those of a search through the text, at any place and for any length", () => {
    const counts = new ContextCounts(3)
    const contexts = counts.start()
    for (const [at, token] of tokens.entries()) {
      if (at % 37 === 0) {
        for (let length = 0; length <= 3; length++) {
          const context = tokens.slice(Math.max(0, at - length), at)
          const followers = new Map<number, number>()
          for (let end = length; end < at; end++) {
            if (context.length === length && context.every((each, i) => each === tokens[end - length + i]))
              followers.set(tokens[end]!, (followers.get(tokens[end]!) ?? 0) + 1)
          }
          const id = contexts[length]!
          const total = [...followers.values()].reduce((sum, each) => sum + each, 0)
          expect(counts.total(length, id)).toBe(total)
          if (total === 0) continue
          expect(counts.figures(length, id)).toEqual({
            total,
            followers: followers.size,
            highest: Math.max(...followers.values())
          })
          const found = new Map<number, number>()
          counts.forEachFollower(length, id, (follower, count) => found.set(follower, count))
          expect(found).toEqual(followers)
          expect(counts.count(length, id, tokens[at]!)).toBe(followers.get(tokens[at]!) ?? 0)
        }
      }
      counts.advance(contexts, token, true)
    }
  })

  it("do not change where a text is only read, and a context that is not known stays unknown", () => {
    const counts = new ContextCounts(2)
    const trained = counts.start()
    for (const token of [1, 2, 3]) counts.advance(trained, token, true)
    const reading = counts.start()
    for (const token of [1, 2]) counts.advance(reading, token, false)
    expect(counts.count(2, reading[2]!, 3)).toBe(1)
    for (const token of [4, 4]) counts.advance(reading, token, false)
    expect([...reading]).toEqual([0, -1, -1])
    expect(counts.total(0, 0)).toBe(3)
  })
})
