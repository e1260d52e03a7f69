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

const decode = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ model: Schema.Union([BytePairs, WordLevel]) }))
)

interface Merge {
  readonly rank: number
  readonly id: number
}

/** Ids fit 26 bits, a pair of them 52: an exact number. */
const keyOf = (left: number, right: number): number => left * 0x4000000 + right

/** Gives the ids of a word. */
export type WordEncoder = (word: string) => ReadonlyArray<number>

const wordLevel = ({ unk_token, vocab }: typeof WordLevel.Type): WordEncoder | undefined => {
  const ids = new Map(Object.entries(vocab).map(([word, id]) => [word, [id]]))
  const unknown = ids.get(unk_token)
  return unknown && ((word) => ids.get(word) ?? unknown)
}

/** Again and again the first of the earliest learned pairs becomes one token. */
const bytePairs = ({ merges, vocab }: typeof BytePairs.Type): WordEncoder | undefined => {
  const idOf = new Map(Object.entries(vocab))
  const idOfByte = letterOfByte.map((letter) => idOf.get(letter))
  if (idOfByte.includes(undefined)) return undefined
  const table = new Map<number, Merge>()
  for (const [rank, merge] of merges.entries()) {
    const [one = "", other = ""] = typeof merge === "string" ? merge.split(" ") : merge
    const [left, right, id] = [idOf.get(one), idOf.get(other), idOf.get(one + other)]
    if (left === undefined || right === undefined || id === undefined) return undefined
    table.set(keyOf(left, right), { rank, id })
  }
  return (word) => {
    const ids = Array.from(Buffer.from(word), (byte) => idOfByte[byte]!)
    for (;;) {
      let first: Merge | undefined
      let place = 0
      for (let at = 1; at < ids.length; at++) {
        const merge = table.get(keyOf(ids[at - 1]!, ids[at]!))
        if (merge === undefined || (first !== undefined && first.rank <= merge.rank)) continue
        first = merge
        place = at
      }
      if (first === undefined) return ids
      ids.splice(place - 1, 2, first.id)
    }
  }
}

/** The encoder of a tokenizer.json; undefined where its model does more than is done here. */
export const wordEncoderOf = (json: string): WordEncoder | undefined => {
  const decoded = Option.getOrUndefined(decode(json))
  if (decoded === undefined) return undefined
  const { model } = decoded
  return model.type === "BPE" ? bytePairs(model) : wordLevel(model)
}
