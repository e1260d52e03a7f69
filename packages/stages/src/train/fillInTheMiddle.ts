/**
 * Fill-in-the-middle while training: a share of what a batch has of documents is put into the tokenizer's order, here that of suffix, prefix,
 * middle,
 *
 *   inputs   <|fim_prefix|> <|fim_suffix|> s1 .. sb <|fim_middle|> p1 .. pa m1 .. mc
 *   targets  -              s1             .. sb -  p1             .. pa m1 .. mc <|endoftext|>
 *
 * with - for no target: the sentinels are given with a prompt, and what predicts a text gives them no share of its own. It happens when a batch
 * is read and not in the dataset, so that each epoch draws other documents and other cuts, every document is read as plain text too, what else
 * uses the training split (n-grams, overlaps) sees the text as it is, and the parts fit the windows.
 *
 * A stretch of a document keeps its length: the sentinels, and a token that a cut has broken into more, take the place of the last tokens of
 * the suffix, then of the first ones of the prefix, as in a prompt that is too long for its context.
 *
 * Source: Bavarian et al. 2022, "Efficient Training of Language Models to Fill in the Middle", arXiv:2207.14255: the orders,
 * and section 4.4, context-level fill-in-the-middle.
 */
import { Effect } from "effect"
import type { Codec } from "../generate/decoding.ts"
import { draws } from "../model/draws.ts"
import { arranged, type Sentinels } from "../tokenize/sentinels.ts"
import { cutMiddle } from "./middles.ts"

/** How documents are transformed. */
export interface Filling<E> {
  /** Of the stretches of documents, drawn for each. */
  readonly share: number
  readonly seed: number
  readonly sentinels: Sentinels
  readonly codec: Codec<E>
  readonly endTokenId: number
}

/** Shorter stretches are left as they are. */
export const shortestStretch = 16

const ignored = -1

/** Puts the tokens of a stretch into order; undefined where its text is not to be cut. `draw`: for its cuts. */
const ordered = Effect.fnUntraced(function* <E>(
  { codec, endTokenId, sentinels }: Filling<E>,
  tokens: Int32Array,
  draw: () => number
) {
  const isEnded = tokens.at(-1) === endTokenId
  const text = yield* codec.decode(Array.from(isEnded ? tokens.subarray(0, -1) : tokens))
  // It may begin or end within a character.
  if (text === "" || text.includes("\uFFFD")) return undefined
  const parts = cutMiddle(text, draw)
  const prefix = yield* codec.encode(parts.prefix)
  const suffix = yield* codec.encode(parts.suffix)
  const middle = yield* codec.encode(parts.middle)
  const room = tokens.length - 3 - middle.length
  if (room < 0) return undefined
  const excess = Math.max(0, prefix.length + suffix.length - room)
  const fromSuffix = Math.min(excess, suffix.length)
  const before = prefix.slice(excess - fromSuffix)
  const after = suffix.slice(0, suffix.length - fromSuffix)
  return [...arranged(sentinels, before, after), ...middle]
})

/** What a batch reads and predicts: rows of tokens, one behind the other. */
interface Rows {
  readonly tokens: Int32Array
  readonly targets: Int32Array
}

/**
 * Transforms the stretch of one document at positions `at` to `at + length - 1` of a batch's rows in place, or leaves it as it is: by the
 * share, where it is short, and where its text cannot be cut. `key` names the stretch within the run, for its draws.
 */
export const fillStretch = Effect.fnUntraced(function* <E>(
  filling: Filling<E>,
  rows: Rows,
  at: number,
  length: number,
  key: ReadonlyArray<number>
) {
  if (length < shortestStretch) return
  const draw = draws(filling.seed, "fill in the middle", ...key)
  if (draw() >= filling.share) return
  const inputs = yield* ordered(filling, rows.targets.slice(at, at + length), draw)
  if (inputs === undefined) return
  const { middle, suffix } = filling.sentinels
  for (let index = 0; index < length; index++) {
    const next = inputs[index + 1]
    // After the middle: one end token as the target, and then padding.
    rows.tokens[at + index] = inputs[index] ?? filling.endTokenId
    rows.targets[at + index] =
      index >= inputs.length || next === suffix || next === middle ? ignored : (next ?? filling.endTokenId)
  }
})
