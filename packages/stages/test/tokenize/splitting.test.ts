import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { byteLevelAlphabet, byteLevelPreTokenizer, Tokenizer as Library } from "tokenizers"
import {
  bytePairSplitting,
  bytePairSplittings,
  bytePairWords,
  isSettled,
  letterOfByte,
  lexerWords,
  split
} from "../../src/tokenize/splitting.ts"
import { bytePairJson, wordLevelJson } from "../../src/tokenize/tokenizerJson.ts"
import { anyText } from "./texts.ts"

const settled = anyText.filter(isSettled)

const inLetters = (word: string): string => [...Buffer.from(word)].map((byte) => letterOfByte[byte]!).join("")

describe("splitting text into words", () => {
  it("cuts as the library's byte-level rule does", () => {
    const library = byteLevelPreTokenizer(false, true)
    fc.assert(
      fc.property(settled, (sample) => {
        const theirs = library.preTokenizeString(sample).map(([word]) => word)
        assert.deepStrictEqual(split(sample, bytePairWords).map(inLetters), theirs)
      }),
      { numRuns: 300 }
    )
  })

  it("cuts as the lexer's rule in tokenizer.json does", () => {
    const library = Library.fromString(JSON.stringify(wordLevelJson(["int"]))).getPreTokenizer()!
    fc.assert(
      fc.property(settled, (sample) => {
        assert.deepStrictEqual(
          split(sample, lexerWords),
          library.preTokenizeString(sample).map(([word]) => word)
        )
      }),
      { numRuns: 300 }
    )
  })

  it("cuts as its other rules for byte pairs in tokenizer.json do", () => {
    assert.lengthOf(bytePairSplittings, 3)
    for (const { pattern, words } of bytePairSplittings) {
      const json = JSON.stringify(bytePairJson([...letterOfByte], [], pattern))
      const library = Library.fromString(json).getPreTokenizer()!
      fc.assert(
        fc.property(settled, (sample) => {
          const theirs = library.preTokenizeString(sample).map(([word]) => word)
          assert.deepStrictEqual(split(sample, words).map(inLetters), theirs)
        }),
        { numRuns: 300 }
      )
    }
  })

  it("keeps a line break with its indentation, and digits apart, where that is asked for", () => {
    const words = (options: Parameters<typeof bytePairSplitting>[0]) =>
      split("if (x)  \n\n\t  return 12;\n", bytePairSplitting(options)?.words ?? bytePairWords)
    const off = { singleDigits: false, wholeIndentation: false }
    assert.deepStrictEqual(words(off), ["if", " (", "x", ")", "  \n\n\t ", " return", " 12", ";", "\n"])
    assert.deepStrictEqual(words({ ...off, wholeIndentation: true }), [
      ...["if", " (", "x", ")", "  \n\n\t  ", "return", " 12", ";", "\n"]
    ])
    assert.deepStrictEqual(words({ ...off, singleDigits: true }), [
      ...["if", " (", "x", ")", "  \n\n\t ", " return", " ", "1", "2", ";", "\n"]
    ])
  })

  it("loses nothing", () => {
    fc.assert(
      fc.property(anyText, (sample) => {
        for (const { words } of bytePairSplittings) assert.strictEqual(split(sample, words).join(""), sample)
        assert.strictEqual(split(sample, bytePairWords).join(""), sample)
        assert.strictEqual(split(sample, lexerWords).join(""), sample)
      })
    )
  })

  it("spells bytes in the library's letters", () => {
    assert.deepStrictEqual([...letterOfByte].sort(), byteLevelAlphabet().sort())
  })
})
