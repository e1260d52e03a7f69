/**
 * Token ids and text from a model, one token at a time, over any session that holds its parameters: the one being trained, or a loaded
 * model's. `Samples` adds the ways in which a completion of a loaded model ends.
 */

import type { RunError } from "@trainyard/backends/Backend"
import { Effect, Stream } from "effect"
import { draws } from "../model/draws.ts"
import { begin, type Row, type TextGenerator } from "./Batch.ts"
import { makeBuffers } from "./Buffers.ts"
import { type Codec, decoder } from "./decoding.ts"
import type { Guide, GuidedSampling } from "./Guide.ts"
import { History } from "./History.ts"
import { pick } from "./Sampling.ts"

export type { TextGenerator } from "./Batch.ts"
export { type Codec, codecOf } from "./decoding.ts"
export type { Block } from "./SlotGenerator.ts"

export interface CompletionOptions extends GuidedSampling {
  readonly maxTokens: number
  readonly seed: number
  /** Generation ends before this token: the end of a document. */
  readonly stopToken?: number | undefined
}

/**
 * Draws the tokens of one completion in turn from their logits. Token number i, from 0, is drawn by numbers that depend on the seed and i
 * alone: one, or with a guide one for each draw. Gives undefined where a guide ends the text and there is no stop token.
 */
export const chooser = (prompt: ReadonlyArray<number>, options: CompletionOptions, guide?: Guide) => {
  const history = new History(prompt)
  const buffers = makeBuffers()
  let made = 0
  return (logits: Float32Array): number | undefined => {
    const uniform = draws(options.seed, "token", made)
    const token =
      guide === undefined
        ? pick(logits, options, uniform(), history, buffers)
        : guide.next(logits, options, uniform, history, options.stopToken)
    made++
    if (token !== undefined) history.add(token)
    return token
  }
}

/**
 * A row that writes one completion of tokens. `onToken` gets each; `onEnd` is called once.
 */
export const tokenRow = (
  prompt: ReadonlyArray<number>,
  options: CompletionOptions,
  onToken: (token: number) => void,
  onEnd: () => void = () => undefined,
  guide?: Guide
): Row => {
  const choose = chooser(prompt, options, guide)
  let made = 0
  return {
    prompt,
    next: (logits) => {
      const token = choose(logits)
      if (token === undefined || token === options.stopToken) return void onEnd()
      onToken(token)
      made++
      if (made < options.maxTokens && guide?.ended !== true) return token
      return void onEnd()
    }
  }
}

/**
 * Token ids that follow a prompt of at least one token. The same prompt, options and parameters give the same tokens. One completion
 * at a time on one generator, since completions share its cache.
 */
export const tokens = (
  generator: TextGenerator,
  prompt: ReadonlyArray<number>,
  options: CompletionOptions
): Stream.Stream<number, RunError> =>
  Stream.suspend(() => {
    if (options.maxTokens <= 0) return Stream.empty
    const made: Array<number> = []
    const step = begin(generator, [tokenRow(prompt, options, (token) => made.push(token))])
    return Stream.unfold(0, () =>
      Effect.map(step, (more) => (more ? ([made.splice(0), 0] as const) : undefined))
    ).pipe(Stream.flatMap(Stream.fromIterable))
  })

/**
 * The text of a stream of tokens, piece by piece as soon as it is certain: a character whose bytes span two tokens waits for the
 * second.
 */
export const text = <E, R, E2>(
  codec: Codec<E2>,
  ids: Stream.Stream<number, E, R>
): Stream.Stream<string, E | E2, R> =>
  Stream.suspend(() => {
    const { decode, known } = decoder(codec)
    return ids.pipe(
      Stream.mapEffect((id) => {
        const piece = known(id)
        return piece === undefined ? decode(id) : Effect.succeed(piece)
      }),
      Stream.filter((piece) => piece !== "")
    )
  })
