/** Turns tokens into text as they come. */
import { Effect } from "effect"
import type { Tokenizer } from "../tokenize/Tokenizer.ts"
import type { TokenizerMismatch } from "../tokenize/TokenizerError.ts"

/** Turns text into token ids and back. */
export interface Codec<E> {
  readonly encode: (text: string) => Effect.Effect<ReadonlyArray<number>, E>
  readonly decode: (ids: ReadonlyArray<number>) => Effect.Effect<string, E>
  /** UTF-8 bytes of each id, for guided generation: see `Tokenizer.tokenBytes`. */
  readonly tokenBytes?: ReadonlyArray<Uint8Array | undefined> | undefined
  /** Text of each id that decodes to it wherever it stands: those of a byte-level tokenizer that are ASCII. Undefined for the others. */
  readonly texts?: ReadonlyArray<string | undefined> | undefined
}

const asciiOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes?.every((byte) => byte < 0x80) === true ? String.fromCharCode(...bytes) : undefined

/** A tokenizer as a codec. */
export const codecOf = (tokenizer: Tokenizer): Codec<TokenizerMismatch> => ({
  encode: (text) => Effect.map(tokenizer.encode(text), (ids) => Array.from(ids)),
  decode: tokenizer.decode,
  tokenBytes: tokenizer.tokenBytes,
  texts: tokenizer.tokenBytes?.map(asciiOf)
})

/** Ids that are decoded together at most, but for a character that is not whole yet. */
const mostDecoded = 64

/** Takes the tokens of one text in turn: each by `known`, and by `decode` where that has no answer. */
export interface Decoder<E> {
  /** The text that a token makes certain where nothing has to be decoded; undefined where it was not taken. */
  readonly known: (id: number) => string | undefined
  readonly decode: (id: number) => Effect.Effect<string, E>
}

/**
 * Gives the text that each token makes certain: a character whose bytes span two tokens waits for the second, and one that never becomes whole
 * is left out. A token costs the same however long the text has become.
 */
export const decoder = <E>(codec: Codec<E>): Decoder<E> => {
  const { texts } = codec
  /** The last ids: enough for a decoder to see what comes before a token. */
  let ids: ReadonlyArray<number> = []
  /** The part of their text that was given. */
  let given = ""
  return {
    // Bytes that no character waits for make the same text alone.
    known: (id) => (ids.length === 0 ? texts?.[id] : undefined),
    decode: Effect.fnUntraced(function* (id: number) {
      ids = [...ids, id]
      const full = yield* codec.decode(ids)
      const certain = full.replace(/\uFFFD+$/u, "")
      const grows = certain.startsWith(given) && certain.length > given.length
      const piece = grows ? certain.slice(given.length) : ""
      if (grows) given = certain
      if (given !== full) return piece
      if (texts !== undefined) {
        ids = []
        given = ""
      } else if (ids.length >= mostDecoded) {
        ids = ids.slice(-mostDecoded / 2)
        given = yield* codec.decode(ids)
      }
      return piece
    })
  }
}
