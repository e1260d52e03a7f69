/** Ids of a byte-level vocabulary have the text that the tokenizers library gives them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Tokenizer as Library } from "tokenizers"
import { byteLevelDecoder } from "../../src/tokenize/byteLevel.ts"
import { tokenizerJson, vocabularySize } from "../validate/laboratory.ts"

/** Numbers below a limit that look drawn. */
const numbers = (seed: number, count: number, limit: number): ReadonlyArray<number> =>
  Array.from({ length: count }, (_, index) => (((seed + 1) * 7919 + index * index * 104_729) >>> 3) % limit)

describe("byteLevelDecoder", () => {
  it.live(
    "decodes what the library decodes: any bytes, whole characters, the end token and tokens of other texts",
    () =>
      Effect.gen(function* () {
        const json = JSON.parse(tokenizerJson())
        json.model.vocab.日本 = vocabularySize
        const decode = byteLevelDecoder(Object.entries<number>(json.model.vocab))
        const library = Library.fromString(JSON.stringify(json))
        const idsOf = (text: string) =>
          Effect.map(
            Effect.promise(() => library.encode(text, null, { addSpecialTokens: false })),
            (encoding) => encoding.getIds()
          )
        const lists = [
          ...Array.from({ length: 200 }, (_, seed) => numbers(seed, seed % 23, vocabularySize + 1)),
          yield* idsOf("\uFEFFint é = '\u{1F600}';\r\n\t\u0000"),
          [vocabularySize, 65, vocabularySize]
        ]
        for (const ids of lists)
          assert.strictEqual(decode(ids), yield* Effect.promise(() => library.decode([...ids], false)))
        assert.include(decode(yield* idsOf("\uFEFFé\u{1F600}")), "\uFEFFé\u{1F600}")
      })
  )
})
