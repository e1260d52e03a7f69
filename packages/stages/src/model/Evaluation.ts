/**
 * Measuring a model on a run of tokens: the loss of every token but the first, each predicted once, in windows of the sequence
 * length side by side.
 */
import type { Prepared } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import { Ports } from "./Programs.ts"

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
 * Measures all predictions in a split of `length` tokens (at least 2) with a prepared `evaluate` program. `each` sees every prediction
 * in order: the index of the predicted token, its loss in nats, and whether it was the most likely.
 */
export const measure = Effect.fnUntraced(function* <E, R>(
  program: Prepared,
  shape: Shape,
  length: number,
  read: ReadTokens<E, R>,
  each: (index: number, loss: number, correct: boolean) => void = () => {}
) {
  const { batchSize, sequenceLength } = shape
  const predictions = length - 1
  const windows = Math.ceil(predictions / sequenceLength)
  let loss = 0
  let correct = 0
  for (let first = 0; first < windows; first += batchSize) {
    const tokens = new Int32Array(batchSize * sequenceLength)
    const targets = new Int32Array(batchSize * sequenceLength).fill(-1)
    const begin = first * sequenceLength
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
      each(begin + 1 + at, losses[at]!, hits[at] === 1)
    }
  }
  return { count: predictions, loss, correct } satisfies Measured as Measured
})
