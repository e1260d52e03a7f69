/** What encodes words, from a tokenizer.json. */
import { Option, Schema } from "effect"
import { letterOfByte } from "./splitting.ts"
import type { WordModel } from "./wordEncoder.ts"

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
