import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { excerpt } from "../../src/split/excerpt.ts"
import { anyText } from "../tokenize/texts.ts"

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

describe("a part of a long document", () => {
  it("is one piece of whole characters, no longer than asked for, and never nothing", () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 4, max: 60 }), fc.integer(), (sample, bytes, seed) => {
        const text = Buffer.from(sample)
        const { from, to } = excerpt(text, bytes, seed, "digest")
        assert.isAtMost(to - from, bytes)
        if (text.length <= bytes) assert.deepStrictEqual({ from, to }, { from: 0, to: text.length })
        else assert.isAbove(to, from)
        assert.include(sample, decoder.decode(text.subarray(from, to)))
      }),
      { numRuns: 500 }
    )
  })

  it("is of whole lines where they are shorter", () => {
    const text = Buffer.from(Array.from({ length: 200 }, (_, line) => `line ${line}\n`).join(""))
    for (let seed = 0; seed < 50; seed++) {
      const { from, to } = excerpt(text, 100, seed, "digest")
      const part = text.toString("utf8", from, to)
      assert.match(part, /^(?:line \d+\n)+$/)
      assert.isAbove(part.length, 85)
    }
  })

  it("is drawn by the seed and the text's digest, from all of the text", () => {
    const text = Buffer.from("12345678\n".repeat(1000))
    const places = Array.from({ length: 300 }, (_, seed) => excerpt(text, 90, seed, "a").from)
    assert.isBelow(Math.min(...places), 400)
    assert.isAbove(Math.max(...places), 8500)
    assert.closeTo(places.reduce((sum, from) => sum + from, 0) / places.length, 4455, 500)
    assert.deepStrictEqual(excerpt(text, 90, 1, "a"), excerpt(text, 90, 1, "a"))
    assert.notDeepEqual(excerpt(text, 90, 1, "a"), excerpt(text, 90, 1, "b"))
  })
})
