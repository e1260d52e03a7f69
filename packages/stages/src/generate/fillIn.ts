/** Filling in with a loaded model: the prompt for the text between two others. */
import { Effect, Schema } from "effect"
import { sentinelsOf, sentinelTokens } from "../tokenize/sentinels.ts"
import type { Loaded } from "./Model.ts"
import { middlePrompt } from "./middlePrompt.ts"
import type { Prompt } from "./Samples.ts"
import { suffixStops } from "./suffixStops.ts"

/** A model that was not trained to fill in the middle. */
export class FillingImpossible extends Schema.TaggedError<FillingImpossible>()("FillingImpossible", {
  message: Schema.String
}) {}

/**
 * The prompt for the text between two others, for `Model.samples`, with `maxTokens` of the context left free, but no more than half of it.
 * `room`: tokens that may follow it; `cut`: tokens of both texts that did not fit; `stops`: stop texts, by `suffixStops`. Fails with `FillingImpossible` where the model's tokenizer has
 * no tokens for it.
 */
export const fillIn = Effect.fn("fillIn")(function* (
  { codec, directory, spec }: Loaded,
  prefix: string,
  suffix: string,
  maxTokens: number
) {
  const sentinels = yield* sentinelsOf(directory).pipe(Effect.orElseSucceed(() => undefined))
  if (sentinels === undefined)
    return yield* new FillingImpossible({
      message: `The model in ${directory} was not trained to fill in the middle: its tokenizer has no ${sentinelTokens.join(", ")}. Take the suffix out, or train a model with tokenize({ fillInTheMiddle: true }) and train({ fillInTheMiddle: 0.5 }).`
    })
  const most = spec.sequenceLength - Math.min(maxTokens, Math.floor(spec.sequenceLength / 2))
  const { cut, ids } = middlePrompt(sentinels, yield* codec.encode(prefix), yield* codec.encode(suffix), most)
  return {
    prompt: { text: prefix, ids } satisfies Prompt as Prompt,
    cut,
    stops: suffixStops(suffix),
    room: Math.max(1, spec.sequenceLength - ids.length)
  }
})
