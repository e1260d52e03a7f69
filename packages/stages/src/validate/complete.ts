/** Completions: what the model writes after a prompt, and the text that follows it in its document. */
import { Effect, Stream } from "effect"
import { type Codec, type TextGenerator, tokens } from "../generate/Completion.ts"
import type { Sampling } from "../generate/Sampling.ts"

export interface Options extends Sampling {
  readonly maxTokens: number
  readonly seed: number
  readonly endTokenId: number
}

/** A text after a prompt. `ended`: its author ended it; otherwise the token limit did. */
export interface Continued {
  readonly text: string
  readonly tokens: ReadonlyArray<number>
  readonly ended: boolean
}

/** Lets the model continue a prompt. An empty prompt is the start of a document. */
export const complete = Effect.fn("validate.complete")(function* <E>(
  speaker: TextGenerator,
  codec: Codec<E>,
  prompt: string,
  options: Options
) {
  const encoded = yield* codec.encode(prompt)
  const start = encoded.length === 0 ? [options.endTokenId] : encoded
  const made = [
    ...(yield* Stream.runCollect(
      tokens(speaker, start, {
        temperature: options.temperature,
        topK: options.topK,
        maxTokens: options.maxTokens,
        seed: options.seed,
        stopToken: options.endTokenId
      })
    ))
  ]
  // Decoded together with the prompt, since the space between two words may belong to either.
  const whole = yield* codec.decode([...encoded, ...made])
  const text = whole.startsWith(prompt) ? whole.slice(prompt.length) : yield* codec.decode(made)
  const result: Continued = {
    // The limit may fall into the middle of a character.
    text: text.replace(/\uFFFD+$/u, ""),
    tokens: made,
    ended: made.length < options.maxTokens
  }
  return result
})

/** As much of the text that follows a prompt in its document. */
export const real = Effect.fn("validate.real")(function* <E>(
  codec: Codec<E>,
  rest: string,
  maxTokens: number
) {
  // No token is longer than this many characters on average; encoding a whole long document would waste time.
  const enough = rest.slice(0, maxTokens * 64)
  const encoded = yield* codec.encode(enough)
  const cut = encoded.slice(0, maxTokens)
  const ended = encoded.length <= maxTokens && enough.length === rest.length
  const text = ended ? rest : (yield* codec.decode(cut)).replace(/\uFFFD+$/u, "")
  const result: Continued = { text, tokens: cut, ended }
  return result
})
