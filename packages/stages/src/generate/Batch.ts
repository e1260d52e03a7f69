/**
 * Texts side by side: one run of the program reads a token of each. All rows share a position, so a row whose prompt is shorter begins to
 * write while the others still read theirs. A row that has ended is read on as padding until all have. Generators with slots have
 * `ContinuousBatch.ts` instead.
 *
 * Each token is read once into the key-value cache; the part of the prompts that all rows have in blocks. When the context is full, the cache
 * starts again with the last half of it, so the model always sees at least half a context. Cached keys hold their positions and cannot be
 * moved. A token costs one more read on average, in blocks, however long the text becomes. The context is full for all rows at once, and at
 * the token at which it would be for one alone.
 */
import type { Outputs, Prepared, RunError } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import { Ports } from "../model/Ports.ts"
import type { Block, SlotGenerator } from "./SlotGenerator.ts"

/** A prepared `generate` program that reads one token of each row a run. */
export interface TextGenerator {
  readonly program: Prepared
  /**
   * Prepared `read` programs for tokens whose logits are not needed, such as a prompt's: each reads `length` tokens a run. Longest first.
   * Without them tokens are read one by one.
   */
  readonly blocks?: ReadonlyArray<Block> | undefined
  readonly sequenceLength: number
  /** Rows of the programs, B: how many texts are written at once at most. 1 unless given. */
  readonly rows?: number | undefined
  /** Programs for texts at positions of their own, in as many slots: see `writeRows.ts`. */
  readonly slots?: SlotGenerator | undefined
}

export interface Row<E = never> {
  /** At least one token. */
  readonly prompt: ReadonlyArray<number>
  /**
   * Is given the logits [V] of the next token, valid until it ends; gives that token, or undefined where the row ends. An effect of it where
   * something has to be waited for: one for each token would cost more than most tokens' draws.
   */
  readonly next: (logits: Float32Array) => Next<E>
}

/** What a row says of its next token. */
export type Next<E> = number | undefined | Effect.Effect<number | undefined, E>

/** Whether the token is known already. */
export const isKnown = <E>(next: Next<E>): next is number | undefined =>
  next === undefined || typeof next === "number"

/**
 * Begins to write rows, at most as many as the generator has. Each run of what it gives asks one or more rows for their next token, and gives
 * whether there was one to ask. One batch at a time on one generator, since batches share its cache.
 */
export const begin = <E>(
  { blocks = [], program, rows: width = 1, sequenceLength }: TextGenerator,
  rows: ReadonlyArray<Row<E>>
): Effect.Effect<boolean, RunError | E> => {
  const contexts = rows.map(({ prompt }) => prompt.slice(-sequenceLength))
  const active = new Set(rows.keys())
  /** The part of the contexts that the model sees begins here. */
  let start = 0
  /** How much of it is in the cache. */
  let cached = 0
  /** What the program gave last: nobody reads it any more when it runs again. */
  let given: Outputs | undefined
  const read = (prepared: Prepared, length: number, into?: Outputs) => {
    const tokens = new Int32Array(width * length)
    for (const [row, context] of contexts.entries())
      for (let at = 0; at < length; at++) tokens[row * length + at] = context[start + cached + at] ?? 0
    return prepared.run({ [Ports.tokens]: tokens, [Ports.offset]: Int32Array.of(cached) }, into)
  }
  return Effect.gen(function* () {
    if (active.size === 0) return false
    const known = Math.min(...[...active].map((row) => contexts[row]!.length))
    if (known - start > sequenceLength) {
      start = known - Math.max(1, Math.floor(sequenceLength / 2))
      cached = 0
    }
    // Not the last token, whose logits are needed.
    for (const block of blocks)
      for (; cached + block.length < known - start; cached += block.length)
        yield* read(block.program, block.length)
    for (; cached < known - start; cached++) given = yield* read(program, 1, given)
    const logits = given?.[Ports.logits] ?? new Float32Array()
    const vocabulary = logits.length / width
    for (const row of active) {
      if (contexts[row]!.length > known) continue
      const next = rows[row]!.next(logits.subarray(row * vocabulary, (row + 1) * vocabulary))
      const token = isKnown(next) ? next : yield* next
      if (token === undefined) active.delete(row)
      else contexts[row]!.push(token)
    }
    return true
  })
}
