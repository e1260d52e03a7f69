/** The prompts of a request as tokens that fit the model's context. */

import { type Fitted, fitted, middlePrompt, partsOf } from "@trainyard/stages/generate/middlePrompt"
import type { Prompt } from "@trainyard/stages/generate/Samples"
import { suffixStops } from "@trainyard/stages/generate/suffixStops"
import type { Sentinels } from "@trainyard/stages/tokenize/sentinels"
import { Effect } from "effect"
import { invalid, refusal } from "./ApiError.ts"
import { Served } from "./Served.ts"

/** A prompt that fits the context together with what is to be written, as far as half a context allows. */
export interface FittedPrompt extends Prompt {
  /** Tokens of it that were cut. */
  readonly cut: number
  /** Tokens that may follow. */
  readonly maxTokens: number
  /** Stop texts of a middle, beside those that are asked for. */
  readonly stops: ReadonlyArray<string>
  /** Whether there was a suffix that the model cannot take into account. */
  readonly suffixIgnored: boolean
}

/** What a caller gives as a prompt. */
export type Given = string | ReadonlyArray<number>

const isIds = (given: Given): given is ReadonlyArray<number> => typeof given !== "string"

/** A failure of the tokenizer is the server's. */
const asServerError = Effect.mapError((error: { readonly message: string }) => refusal(500, error.message))

const encode = Effect.fnUntraced(function* (given: Given) {
  const { model } = yield* Served
  if (!isIds(given)) return yield* asServerError(model.codec.encode(given))
  const outside = given.find((id) => id >= model.spec.vocabularySize)
  if (outside === undefined) return given
  return yield* invalid(
    "prompt",
    `The token ${outside} is not in the vocabulary, which goes from 0 to ${model.spec.vocabularySize - 1}.`
  )
})

const textOf = Effect.fnUntraced(function* (given: Given) {
  const { model } = yield* Served
  return isIds(given) ? yield* asServerError(model.codec.decode(given)) : given
})

const noSentinels =
  "This model was not trained to fill in the middle: its tokenizer has no <|fim_prefix|>, <|fim_suffix|> and <|fim_middle|>. " +
  "Leave the suffix out, or start the server with --ignore-suffix."

/** Prompt and suffix of a prompt that has the sentinels as text, where the model has them. */
const unfolded = (given: Given, sentinels: Sentinels | undefined, suffix: Suffix | undefined) => {
  const parts = sentinels === undefined || isIds(given) || suffix !== undefined ? undefined : partsOf(given)
  return parts === undefined
    ? { given, suffix }
    : { given: parts.before, suffix: { param: "prompt", text: parts.after } }
}

/** What follows the text to be written, and the field that it came in. */
export interface Suffix {
  readonly param: string
  readonly text: string
}

/**
 * Fits a prompt, and a suffix where there is one, into the context. `maxTokens` of it are kept free, but no more than half of it: a longer
 * text goes on with the last half of the context, and a longer middle, whose prompt must stay whole, ends.
 */
export const fit = Effect.fn("Prompts.fit")(function* (
  asked: Given,
  following: Suffix | undefined,
  maxTokens: number
) {
  const { ignoresSuffix, model, sentinels } = yield* Served
  const { given, suffix } = unfolded(asked, sentinels, following)
  const context = model.spec.sequenceLength
  const most = Math.max(1, context - Math.min(maxTokens, Math.floor(context / 2)))
  const before = yield* encode(given)
  const text = yield* textOf(asked)
  // A suffix that is empty asks for a middle too: at the end of a file.
  const isMiddle = suffix !== undefined && sentinels !== undefined
  const suffixIgnored = suffix !== undefined && suffix.text !== "" && sentinels === undefined
  if (suffixIgnored && !ignoresSuffix)
    return yield* invalid(suffix.param, noSentinels, "fill_in_the_middle_unsupported")
  const prompt: Fitted = isMiddle
    ? middlePrompt(sentinels, before, yield* encode(suffix.text), most)
    : fitted(before.length === 0 ? [model.endTokenId] : before, most)
  return {
    ...prompt,
    text,
    suffixIgnored,
    stops: isMiddle ? suffixStops(suffix.text) : [],
    maxTokens: isMiddle ? Math.min(maxTokens, Math.max(1, context - prompt.ids.length)) : maxTokens
  } satisfies FittedPrompt as FittedPrompt
})
