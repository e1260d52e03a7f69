/**
 * The special tokens of models that fill in the middle. They mark the parts of a document, in the order prefix, suffix, middle:
 *
 *   <|fim_prefix|> prefix <|fim_suffix|> suffix <|fim_middle|> middle
 *
 * Source: Bavarian et al. 2022, "Efficient Training of Language Models to Fill in the Middle", arXiv:2207.14255; the tokens' names are
 * Qwen2.5-Coder's.
 */
import { join } from "node:path"
import { Effect, FileSystem, Schema } from "effect"

/** Ids of the tokens that mark the parts. */
export interface Sentinels {
  readonly prefix: number
  readonly suffix: number
  readonly middle: number
}

export const sentinelNames = {
  prefix: "<|fim_prefix|>",
  suffix: "<|fim_suffix|>",
  middle: "<|fim_middle|>"
} as const

/** In the order of their ids. */
export const sentinelTokens: ReadonlyArray<string> = [
  sentinelNames.prefix,
  sentinelNames.suffix,
  sentinelNames.middle
]

const AddedTokens = Schema.fromJsonString(
  Schema.Struct({
    added_tokens: Schema.optionalKey(Schema.Array(Schema.Struct({ id: Schema.Int, content: Schema.String })))
  })
)

/**
 * The sentinels of the tokenizer in a folder, of a dataset or a model; undefined where it lacks one of them. Fails with `PlatformError` or
 * `SchemaError` where its tokenizer.json cannot be read.
 */
export const sentinelsOf = Effect.fn("sentinelsOf")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(join(directory, "tokenizer.json"))
  const { added_tokens: tokens = [] } = yield* Schema.decodeUnknownEffect(AddedTokens)(text)
  const idOf = (name: string) => tokens.find(({ content }) => content === name)?.id
  const prefix = idOf(sentinelNames.prefix)
  const suffix = idOf(sentinelNames.suffix)
  const middle = idOf(sentinelNames.middle)
  if (prefix === undefined || suffix === undefined || middle === undefined) return undefined
  return { prefix, suffix, middle } satisfies Sentinels as Sentinels
})
