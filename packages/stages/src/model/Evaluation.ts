/**
 * Measuring a model on a run of tokens while it trains: the loss of every token but the first, each predicted once, in windows of
 * the sequence length side by side.
 */
import type { Prepared } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import { Ports } from "./Ports.ts"

/** Reads `count` tokens from token `start`; both lie inside the split. */
export type ReadTokens<E, R> = (start: number, count: number) => Effect.Effect<Int32Array, E, R>

export interface Shape {
  readonly batchSize: number
  readonly sequenceLength: number
}

export interface Measured {
  /** Tokens predicted. */
  readonly count: number
  /** Sum of their losses, in nats. */
  readonly loss: number
  /** How many had no more likely rival. */
  readonly correct: number
}

const zero = new Int32Array(1)

/**
 * The batches to measure, by number: all of them, or as many as hold `limit` tokens, evenly spread. The same for the same split, so
 * that losses can be compared.
 */
export const batchesWithin = (shape: Shape, length: number, limit: number): ReadonlyArray<number> => {
  const size = shape.batchSize * shape.sequenceLength
  const all = Math.ceil((length - 1) / size)
  const some = Math.min(all, Math.max(1, Math.ceil(limit / size)))
  return Array.from({ length: some }, (_, index) => Math.floor((index * all) / some))
}

/** Predictions in one evaluation of a split of `length` tokens. */
export const evaluatedTokens = (shape: Shape, length: number, limit: number): number => {
  const size = shape.batchSize * shape.sequenceLength
  return batchesWithin(shape, length, limit).reduce(
    (sum, batch) => sum + Math.min(size, length - 1 - batch * size),
    0
  )
}

/**
 * Measures a split of `length` tokens (at least 2), or about `limit` tokens of it, with a prepared `evaluate` program.
 */
export const measure = Effect.fnUntraced(function* <E, R>(
  program: Prepared,
  shape: Shape,
  length: number,
  read: ReadTokens<E, R>,
  limit = Number.POSITIVE_INFINITY
) {
  const { batchSize, sequenceLength } = shape
  const predictions = length - 1
  let count = 0
  let loss = 0
  let correct = 0
  for (const batch of batchesWithin(shape, length, limit)) {
    const tokens = new Int32Array(batchSize * sequenceLength)
    const targets = new Int32Array(batchSize * sequenceLength).fill(-1)
    const begin = batch * batchSize * sequenceLength
    const size = Math.min(batchSize * sequenceLength, predictions - begin)
    // Windows lie side by side, so a batch is one stretch of tokens; targets are the same stretch one later.
    const stretch = yield* read(begin, size + 1)
    tokens.set(stretch.subarray(0, size))
    targets.set(stretch.subarray(1, size + 1))
    const outputs = yield* program.run({
      [Ports.tokens]: tokens,
      [Ports.targets]: targets,
      [Ports.offset]: zero
    })
    const losses = outputs[Ports.losses]!
    const hits = outputs[Ports.correct]!
    for (let at = 0; at < size; at++) {
      loss += losses[at]!
      if (hits[at] === 1) correct++
    }
    count += size
  }
  return { count, loss, correct } satisfies Measured as Measured
})
