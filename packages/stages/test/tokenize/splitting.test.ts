import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { byteLevelAlphabet, byteLevelPreTokenizer, Tokenizer as Library } from "tokenizers"
import { bytePairWords, isSettled, letterOfByte, lexerWords, split } from "../../src/tokenize/splitting.ts"
import { wordLevelJson } from "../../src/tokenize/tokenizerJson.ts"
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

  it("loses nothing", () => {
    fc.assert(
      fc.property(anyText, (sample) => {
        assert.strictEqual(split(sample, bytePairWords).join(""), sample)
        assert.strictEqual(split(sample, lexerWords).join(""), sample)
      })
    )
  })

  it("spells bytes in the library's letters", () => {
    assert.deepStrictEqual([...letterOfByte].sort(), byteLevelAlphabet().sort())
  })
})
