/**
 * Measuring a model on a split while it trains: the loss of tokens, each predicted once from its own document, in the windows that `validate`
 * uses too (`windows.ts`), so that both give the same figure for the same tokens.
 */
import type { Prepared } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import { Ports } from "./Programs.ts"
import { windowsOf } from "./windows.ts"

/** Reads `count` tokens from token `start`; past the end of the split it goes on at the beginning. */
export type ReadTokens<E, R> = (start: number, count: number) => Effect.Effect<Int32Array, E, R>

export interface Shape {
  readonly batchSize: number
  readonly sequenceLength: number
}

/** A window of one document: `length` predictions, the first of them of token `target` of the split. */
export interface Row {
  readonly target: number
  readonly length: number
  /** Predictions at its beginning that do not count, because an earlier window has made them. */
  readonly repeated: number
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

/** Tokens that these windows measure. */
export const measuredTokens = (rows: ReadonlyArray<Row>): number =>
  rows.reduce((sum, { length, repeated }) => sum + length - repeated, 0)

/** About as many of the windows as measure `limit` tokens, evenly spread; at least one. */
export const spread = (rows: ReadonlyArray<Row>, limit: number): ReadonlyArray<Row> => {
  const total = measuredTokens(rows)
  if (total <= limit) return rows
  let passed = 0
  let taken = 0
  return rows.filter(({ length, repeated }, index) => {
    const tokens = length - repeated
    passed += tokens
    // The window is taken if the tokens taken are then no further from their share than without it.
    const isTaken =
      2 * taken + tokens <= (2 * passed * limit) / total || (taken === 0 && index === rows.length - 1)
    if (isTaken) taken += tokens
    return isTaken
  })
}

/** The windows of all documents of a split of `length` tokens, in order. */
export const rowsOf = (starts: Float64Array, length: number, sequenceLength: number): ReadonlyArray<Row> =>
  Array.from(starts, (start, index) =>
    windowsOf((starts[index + 1] ?? length) - start, sequenceLength).map(
      ({ first, length, repeated }): Row => ({ target: start + first, length, repeated })
    )
  ).flat()

/** Measures windows of a split of `splitLength` tokens with a prepared `evaluate` program. */
export const measure = Effect.fnUntraced(function* <E, R>(
  program: Prepared,
  { batchSize, sequenceLength }: Shape,
  rows: ReadonlyArray<Row>,
  splitLength: number,
  read: ReadTokens<E, R>
) {
  let loss = 0
  let correct = 0
  for (let begin = 0; begin < rows.length; begin += batchSize) {
    const tokens = new Int32Array(batchSize * sequenceLength)
    const targets = new Int32Array(batchSize * sequenceLength).fill(-1)
    for (const [row, { length, repeated, target }] of rows.slice(begin, begin + batchSize).entries()) {
      const at = row * sequenceLength
      // A document's first token is predicted from the end token before it; the last one of the split is before the first document.
      const stretch = yield* read((target - 1 + splitLength) % splitLength, length + 1)
      tokens.set(stretch.subarray(0, length), at)
      targets.set(stretch.subarray(1 + repeated), at + repeated)
    }
    const outputs = yield* program.run({
      [Ports.tokens]: tokens,
      [Ports.targets]: targets,
      [Ports.offset]: zero
    })
    const losses = outputs[Ports.losses]!
    const hits = outputs[Ports.correct]!
    for (const [at, target] of targets.entries())
      if (target >= 0) {
        loss += losses[at]!
        if (hits[at] === 1) correct++
      }
  }
  return { count: measuredTokens(rows), loss, correct } satisfies Measured as Measured
})
