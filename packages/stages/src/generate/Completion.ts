/**
 * Text from a model, one token at a time, over any session that holds its parameters: the one being trained, or a loaded
 * model's. Each token is read once into the key-value cache; a prompt in blocks.
 *
 * When the context is full, the cache starts again with the last half of it, so the model always sees at least half a context. Cached keys
 * hold their positions and cannot be moved. A token costs one more read on average, in blocks, however long the text becomes.
 */
import type { Prepared, RunError } from "@trainyard/backends/Backend"
import { Effect, Stream } from "effect"
import { draws } from "../model/draws.ts"
import { Ports } from "../model/Programs.ts"
import type { Tokenizer } from "../tokenize/Tokenizer.ts"
import type { TokenizerMismatch } from "../tokenize/TokenizerError.ts"
import { pick, type Sampling } from "./Sampling.ts"

/** A prepared `read` program, and the tokens that it reads a run. */
export interface Block {
  readonly program: Prepared
  readonly length: number
}

/** A prepared `generate` program that reads one token a run. */
export interface TextGenerator {
  readonly program: Prepared
  /**
   * Prepared `read` programs for tokens whose logits are not needed, such as a prompt's: each reads `length` tokens a run. Longest first.
   * Without them tokens are read one by one.
   */
  readonly blocks?: ReadonlyArray<Block> | undefined
  readonly sequenceLength: number
}

export interface CompletionOptions extends Sampling {
  readonly maxTokens: number
  readonly seed: number
  /** Generation ends before this token: the end of a document. */
  readonly stopToken?: number | undefined
}

interface Reading {
  /** Tokens so far that the model may still see, the last of them not yet read. */
  readonly context: ReadonlyArray<number>
  /** How many of them are in the cache. */
  readonly cached: number
  readonly made: number
}

const read = (program: Prepared, tokens: ReadonlyArray<number>, offset: number) =>
  program.run({ [Ports.tokens]: Int32Array.from(tokens), [Ports.offset]: Int32Array.of(offset) })

/** Reads the part of the context that is not in the cache; gives the logits of the next token. */
export const advance = Effect.fnUntraced(function* (
  generator: TextGenerator,
  reading: Pick<Reading, "context" | "cached">
) {
  let { cached, context } = reading
  if (context.length > generator.sequenceLength) {
    context = context.slice(-Math.max(1, Math.floor(generator.sequenceLength / 2)))
    cached = 0
  }
  const { blocks = [], program } = generator
  // Not the last token, whose logits are needed.
  for (const block of blocks)
    for (; cached + block.length < context.length; cached += block.length)
      yield* read(block.program, context.slice(cached, cached + block.length), cached)
  let logits: Float32Array = new Float32Array()
  for (; cached < context.length; cached++) {
    const outputs = yield* read(program, context.slice(cached, cached + 1), cached)
    logits = outputs[Ports.logits]!
  }
  return { logits, context, cached }
})

/**
 * Token ids that follow a prompt of at least one token. The same prompt, options and parameters give the same tokens. One completion
 * at a time on one generator, since completions share its cache.
 */
export const tokens = (
  generator: TextGenerator,
  prompt: ReadonlyArray<number>,
  options: CompletionOptions
): Stream.Stream<number, RunError> =>
  Stream.unfold<Reading, number, RunError, never>(
    { context: prompt.slice(-generator.sequenceLength), cached: 0, made: 0 },
    Effect.fnUntraced(function* (reading) {
      if (reading.made >= options.maxTokens) return undefined
      const { cached, context, logits } = yield* advance(generator, reading)
      const token = pick(logits, options, draws(options.seed, "token", reading.made)())
      if (token === options.stopToken) return undefined
      return [token, { context: [...context, token], cached, made: reading.made + 1 }] as const
    })
  )

/** Turns text into token ids and back. */
export interface Codec<E> {
  readonly encode: (text: string) => Effect.Effect<ReadonlyArray<number>, E>
  readonly decode: (ids: ReadonlyArray<number>) => Effect.Effect<string, E>
}

/** A tokenizer as a codec. */
export const codecOf = (tokenizer: Tokenizer): Codec<TokenizerMismatch> => ({
  encode: (text) => Effect.map(tokenizer.encode(text), (ids) => Array.from(ids)),
  decode: tokenizer.decode
})

/** Ids that are decoded together at most, but for a character that is not whole yet. */
const mostDecoded = 64

interface Decoding {
  /** The last ids: enough for a decoder to see what comes before a token. */
  readonly ids: ReadonlyArray<number>
  /** The part of their text that was emitted. */
  readonly emitted: string
}

/**
 * The text of a stream of tokens, piece by piece as soon as it is certain: a character whose bytes span two tokens waits for the
 * second. A token costs the same however long the text has become.
 */
export const text = <E, R, E2>(
  codec: Codec<E2>,
  ids: Stream.Stream<number, E, R>
): Stream.Stream<string, E | E2, R> =>
  ids.pipe(
    Stream.mapAccumEffect(
      (): Decoding => ({ ids: [], emitted: "" }),
      Effect.fnUntraced(function* (state, id) {
        const ids = [...state.ids, id]
        const full = yield* codec.decode(ids)
        const certain = full.replace(/\uFFFD+$/u, "")
        const grows = certain.startsWith(state.emitted) && certain.length > state.emitted.length
        const pieces = grows ? [certain.slice(state.emitted.length)] : []
        const decoding: Decoding = { ids, emitted: grows ? certain : state.emitted }
        if (ids.length < mostDecoded || decoding.emitted !== full) return [decoding, pieces] as const
        const last = ids.slice(-mostDecoded / 2)
        return [{ ids: last, emitted: yield* codec.decode(last) }, pieces] as const
      })
    )
  )
