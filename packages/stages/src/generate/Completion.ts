/**
 * Token ids and text from a model, one token at a time, over any session that holds its parameters: the one being trained, or a loaded
 * model's. `Samples` adds the ways in which a completion of a loaded model ends.
 */
import type { RunError } from "@trainyard/backends/Backend"
import { Effect, Stream } from "effect"
import { draws } from "../model/draws.ts"
import { begin, type Row, type TextGenerator } from "./Batch.ts"
import { type Codec, decoder } from "./decoding.ts"
import { pick, type Sampling } from "./Sampling.ts"

export type { Block, TextGenerator } from "./Batch.ts"
export { type Codec, codecOf } from "./decoding.ts"

export interface CompletionOptions extends Sampling {
  readonly maxTokens: number
  readonly seed: number
  /** Generation ends before this token: the end of a document. */
  readonly stopToken?: number | undefined
}

/**
 * Draws the tokens of one completion in turn from their logits. Token number i, from 0, is drawn by a number that depends on the seed and i
 * alone.
 */
export const chooser = (prompt: ReadonlyArray<number>, options: CompletionOptions) => {
  const seen = new Set(prompt)
  let made = 0
  return (logits: Float32Array): number => {
    const token = pick(logits, options, draws(options.seed, "token", made)(), seen)
    made++
    seen.add(token)
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
  onEnd: () => void = () => undefined
): Row => {
  const choose = chooser(prompt, options)
  let made = 0
  return {
    prompt,
    next: (logits) =>
      Effect.sync(() => {
        const token = choose(logits)
        if (token === options.stopToken) return void onEnd()
        onToken(token)
        made++
        if (made < options.maxTokens) return token
        return void onEnd()
      })
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
    const decode = decoder(codec)
    return ids.pipe(
      Stream.mapEffect(decode),
      Stream.filter((piece) => piece !== "")
    )
  })
