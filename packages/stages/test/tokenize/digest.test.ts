import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { digestOf } from "../../src/tokenize/digest.ts"
import { bytePairJson } from "../../src/tokenize/tokenizerJson.ts"

const tokens = ["a", "b", "c", "ab", "bc"]
const json = bytePairJson(tokens, [
  [0, 1],
  [1, 2]
])
const digest = digestOf(json, 5)

describe("the digest of a tokenizer", () => {
  it("is the same whoever wrote its file: order of keys, layout, padding, post-processor and absent nulls do not count", () => {
    const backwards = (value: unknown): unknown =>
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? Object.fromEntries(
            Object.entries(value)
              .reverse()
              .filter(([, part]) => part !== null)
              .map(([key, part]) => [key, backwards(part)])
          )
        : value
    const rewritten = {
      ...(backwards(json) as object),
      padding: { strategy: "BatchLongest" },
      version: "1.1"
    }
    assert.notStrictEqual(JSON.stringify(rewritten), JSON.stringify(json))
    assert.strictEqual(digestOf(rewritten, 5), digest)
  })

  it("is another when anything changes the ids or what ends a document", () => {
    const { model } = json
    const others: ReadonlyArray<readonly [object, number]> = [
      [json, 4],
      [{ ...json, model: { ...model, vocab: { ...model.vocab, a: 1, b: 0 } } }, 5],
      [{ ...json, model: { ...model, merges: [...model.merges].reverse() } }, 5],
      [{ ...json, model: { ...model, ignore_merges: true } }, 5],
      [{ ...json, pre_tokenizer: { ...json.pre_tokenizer, add_prefix_space: true } }, 5],
      [{ ...json, normalizer: { type: "NFC" } }, 5],
      [{ ...json, decoder: { type: "Fuse" } }, 5],
      [{ ...json, added_tokens: [] }, 5]
    ]
    assert.strictEqual(new Set([digest, ...others.map(([other, end]) => digestOf(other, end))]).size, 9)
  })

  it("tells any two vocabularies apart", () => {
    const vocabulary = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), {
      minLength: 1,
      maxLength: 6
    })
    fc.assert(
      fc.property(vocabulary, vocabulary, (a, b) => {
        const same = a.length === b.length && a.every((token, index) => token === b[index])
        const of = (list: ReadonlyArray<string>) => digestOf(bytePairJson(list, []), list.length)
        return (of(a) === of(b)) === same
      }),
      { seed: 3 }
    )
  })
})
