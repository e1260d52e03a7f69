/** Encodes words by the vocabulary and the merges of a tokenizer.json, without the `tokenizers` library: a test compares the two. */
import { Option, Schema } from "effect"
import { letterOfByte } from "./splitting.ts"

const Plain = Schema.NullOr(Schema.Literal(""))

const vocab = Schema.Record(Schema.String, Schema.Int)

/** A model whose words are encoded by its merges alone. */
const BytePairs = Schema.Struct({
  type: Schema.Literal("BPE"),
  vocab,
  merges: Schema.Array(Schema.Union([Schema.String, Schema.Tuple([Schema.String, Schema.String])])),
  dropout: Schema.optionalKey(Schema.Null),
  continuing_subword_prefix: Schema.optionalKey(Plain),
  end_of_word_suffix: Schema.optionalKey(Plain),
  byte_fallback: Schema.optionalKey(Schema.NullOr(Schema.Literal(false))),
  ignore_merges: Schema.optionalKey(Schema.NullOr(Schema.Literal(false)))
})

const WordLevel = Schema.Struct({ type: Schema.Literal("WordLevel"), vocab, unk_token: Schema.String })

const decode = Schema.decodeUnknownOption(Schema.Struct({ model: Schema.Union([BytePairs, WordLevel]) }))

/** Ids fit 26 bits, a pair of them 52: an exact number. */
const keyOf = (left: number, right: number): number => left * 0x4000000 + right

/** How words are encoded, as plain data that is small: for threads. */
export type WordModel =
  | {
      readonly type: "byte-pair"
      /** The id of each byte. */
      readonly bytes: Int32Array
      /** Of each merge the left id, the right one and that of both, in the order in which they were learned. */
      readonly merges: Int32Array
    }
  | { readonly type: "word-level"; readonly ids: ReadonlyMap<string, number>; readonly unknown: number }

const wordLevel = ({ unk_token, vocab }: typeof WordLevel.Type): WordModel | undefined => {
  const ids = new Map(Object.entries(vocab))
  const unknown = ids.get(unk_token)
  return unknown === undefined ? undefined : { type: "word-level", ids, unknown }
}

const bytePairs = ({ merges, vocab }: typeof BytePairs.Type): WordModel | undefined => {
  const idOf = new Map(Object.entries(vocab))
  const bytes = Int32Array.from(letterOfByte, (letter) => idOf.get(letter) ?? -1)
  const triples = new Int32Array(3 * merges.length)
  for (const [rank, merge] of merges.entries()) {
    const [left = "", right = ""] = typeof merge === "string" ? merge.split(" ") : merge
    triples.set(
      [left, right, left + right].map((token) => idOf.get(token) ?? -1),
      3 * rank
    )
  }
  return bytes.includes(-1) || triples.includes(-1)
    ? undefined
    : { type: "byte-pair", bytes, merges: triples }
}

/** The model of a tokenizer.json; undefined where it does more than is done here. */
export const wordModelOf = (json: unknown): WordModel | undefined => {
  const decoded = Option.getOrUndefined(decode(json))
  if (decoded === undefined) return undefined
  const { model } = decoded
  return model.type === "BPE" ? bytePairs(model) : wordLevel(model)
}

/** Gives the ids of a word. */
export type WordEncoder = (word: string) => ReadonlyArray<number>

/** Again and again the first of the earliest learned pairs becomes one token. */
const merging = ({ bytes, merges }: Extract<WordModel, { readonly type: "byte-pair" }>): WordEncoder => {
  const table = new Map<number, number>()
  for (let rank = 0; 3 * rank < merges.length; rank++)
    table.set(keyOf(merges[3 * rank]!, merges[3 * rank + 1]!), rank)
  return (word) => {
    const ids = Array.from(Buffer.from(word), (byte) => bytes[byte]!)
    for (;;) {
      let first = Number.POSITIVE_INFINITY
      let place = 0
      for (let at = 1; at < ids.length; at++) {
        const rank = table.get(keyOf(ids[at - 1]!, ids[at]!))
        if (rank === undefined || rank >= first) continue
        first = rank
        place = at
      }
      if (place === 0) return ids
      ids.splice(place - 1, 2, merges[3 * first + 2]!)
    }
  }
}

export const wordEncoderOf = (model: WordModel): WordEncoder => {
  if (model.type === "byte-pair") return merging(model)
  const { ids, unknown } = model
  return (word) => [ids.get(word) ?? unknown]
}
