/**
 * The special tokens of models that fill in the middle. They mark the parts of a document, in one of two orders:
 *
 *   prefix-suffix-middle   <|fim_prefix|> prefix <|fim_suffix|> suffix <|fim_middle|> middle
 *   suffix-prefix-middle   <|fim_prefix|> <|fim_suffix|> suffix <|fim_middle|> prefix middle
 *
 * In the second one the middle goes on where the prefix ends, as text does.
 *
 * Source: Bavarian et al. 2022, "Efficient Training of Language Models to Fill in the Middle", arXiv:2207.14255, sections 3 and 4.3 (its variant of
 * suffix-prefix-middle that shares the tokens' places with the other order); the tokens' names are Qwen2.5-Coder's.
 */
import { join } from "node:path"
import { Effect, FileSystem, Schema } from "effect"

export const orders = ["prefix-suffix-middle", "suffix-prefix-middle"] as const
export type Order = (typeof orders)[number]

/** Ids of the tokens that mark the parts, and the order in which a prompt has them. */
export interface Sentinels {
  readonly prefix: number
  readonly suffix: number
  readonly middle: number
  readonly order: Order
}

/** The tokens before the middle, in their order. */
export const arranged = (
  { middle, order, prefix, suffix }: Sentinels,
  before: ReadonlyArray<number>,
  after: ReadonlyArray<number>
): ReadonlyArray<number> =>
  order === "prefix-suffix-middle"
    ? [prefix, ...before, suffix, ...after, middle]
    : [prefix, suffix, ...after, middle, ...before]

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

/** The name in tokenizer_config.json of the order that a tokenizer's models are prompted in. Without it that is prefix-suffix-middle, as elsewhere. */
export const orderKey = "fill_in_the_middle_order"

const Settings = Schema.fromJsonString(
  Schema.Struct({ [orderKey]: Schema.optionalKey(Schema.Literals(orders)) })
)

const orderIn = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(join(directory, "tokenizer_config.json"))
  const { [orderKey]: order } = yield* Schema.decodeUnknownEffect(Settings)(text)
  return order
})

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
  const order = yield* orderIn(directory).pipe(Effect.orElseSucceed(() => undefined))
  return { prefix, suffix, middle, order: order ?? "prefix-suffix-middle" } satisfies Sentinels as Sentinels
})
