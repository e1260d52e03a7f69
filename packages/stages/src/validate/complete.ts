/** Completions: what the model writes after a prompt, and the text that follows it in its document. */
import { Effect } from "effect"
import { begin, type TextGenerator } from "../generate/Batch.ts"
import { type Codec, tokenRow } from "../generate/Completion.ts"
import type { Guide } from "../generate/Guide.ts"
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

/**
 * Lets the model continue prompts, as many at once as the speaker has rows; an empty one is the start of a document. Prompt i, from 0, has the
 * seed `seed + i`. `onEnd` is run as each is finished. `guides`: one for each prompt, which then writes nothing where it has none.
 */
export const completeAll = Effect.fn("validate.completeAll")(function* <E, E2, R>(
  speaker: TextGenerator,
  codec: Codec<E>,
  prompts: ReadonlyArray<string>,
  options: Options,
  onEnd: Effect.Effect<void, E2, R>,
  guides?: ReadonlyArray<Guide | undefined>
) {
  const encoded = yield* Effect.forEach(prompts, codec.encode)
  const made = prompts.map((): Array<number> => [])
  // Prompts of about the same length side by side: their shared part is read in blocks.
  const byLength = [...prompts.keys()]
    .filter((index) => guides === undefined || guides[index] !== undefined)
    .sort((a, b) => encoded[a]!.length - encoded[b]!.length || a - b)
  const rows = speaker.rows ?? 1
  for (let first = 0; first < byLength.length; first += rows) {
    let ended = 0
    const step = begin(
      speaker,
      byLength.slice(first, first + rows).map((index) =>
        tokenRow(
          encoded[index]!.length === 0 ? [options.endTokenId] : encoded[index]!,
          { ...options, seed: options.seed + index, stopToken: options.endTokenId },
          (token) => made[index]!.push(token),
          () => ended++,
          guides?.[index]
        )
      )
    )
    while (yield* step) for (; ended > 0; ended--) yield* onEnd
  }
  return yield* Effect.forEach(prompts, (prompt, index) =>
    continued(codec, prompt, encoded[index]!, made[index]!, options.maxTokens)
  )
})

const continued = Effect.fnUntraced(function* <E>(
  codec: Codec<E>,
  prompt: string,
  encoded: ReadonlyArray<number>,
  made: ReadonlyArray<number>,
  maxTokens: number
) {
  // Decoded together with the prompt, since the space between two words may belong to either.
  const whole = yield* codec.decode([...encoded, ...made])
  const text = whole.startsWith(prompt) ? whole.slice(prompt.length) : yield* codec.decode(made)
  const result: Continued = {
    // The limit may fall into the middle of a character.
    text: text.replace(/\uFFFD+$/u, ""),
    tokens: made,
    ended: made.length < maxTokens
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
