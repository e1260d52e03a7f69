/**
 * Prompts of fill-in-the-middle models, in the order prefix, suffix, middle:
 *
 *   <|fim_prefix|> prefix <|fim_suffix|> suffix <|fim_middle|>
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

const names = { prefix: "<|fim_prefix|>", suffix: "<|fim_suffix|>", middle: "<|fim_middle|>" } as const

const AddedTokens = Schema.fromJsonString(
  Schema.Struct({
    added_tokens: Schema.optionalKey(Schema.Array(Schema.Struct({ id: Schema.Int, content: Schema.String })))
  })
)

/** The sentinels of a model folder's tokenizer; undefined where it lacks one of them. */
export const sentinelsOf = Effect.fn("fillInTheMiddle.sentinelsOf")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(join(directory, "tokenizer.json"))
  const { added_tokens: tokens = [] } = yield* Schema.decodeUnknownEffect(AddedTokens)(text)
  const idOf = (name: string) => tokens.find(({ content }) => content === name)?.id
  const [prefix, suffix, middle] = [idOf(names.prefix), idOf(names.suffix), idOf(names.middle)]
  if (prefix === undefined || suffix === undefined || middle === undefined) return undefined
  return { prefix, suffix, middle } satisfies Sentinels as Sentinels
})

/** A prompt for a context, and how many tokens did not fit it. */
export interface Fitted {
  readonly ids: ReadonlyArray<number>
  readonly cut: number
}

/** Cuts a prompt from the left to `most` tokens. */
export const fitted = (ids: ReadonlyArray<number>, most: number): Fitted => ({
  ids: ids.slice(-most),
  cut: Math.max(0, ids.length - most)
})

/**
 * The prompt of a middle. Where it has more than `most` tokens, a suffix keeps at most a quarter of them and loses its end; then the prefix
 * loses its beginning.
 */
export const middlePrompt = (
  { middle, prefix, suffix }: Sentinels,
  before: ReadonlyArray<number>,
  after: ReadonlyArray<number>,
  most: number
): Fitted => {
  const room = Math.max(1, most - 3)
  const keptAfter = after.slice(0, Math.max(room - before.length, Math.floor(room / 4)))
  const keptBefore = before.slice(Math.max(0, before.length - (room - keptAfter.length)))
  return {
    ids: [prefix, ...keptBefore, suffix, ...keptAfter, middle],
    cut: before.length + after.length - keptBefore.length - keptAfter.length
  }
}
