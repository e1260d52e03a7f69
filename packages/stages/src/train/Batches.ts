/**
 * Which tokens make up which batch: a pure function of (seed, batch number), so that training can begin at any batch
 * without replaying the ones before.
 *
 * An epoch cuts the split into windows of `sequenceLength` predictions. Window k reads the tokens
 * shift + k·T .. shift + k·T + T, the last of them only as a target, so every token is predicted once an epoch. The split is
 * read as a ring: the window at its end goes on at its beginning, where another document starts, which is what every document's
 * end token is followed by anyway. `shift` is drawn anew for each epoch, so that no token always stands at a window's edge.
 */
import { draws, permutation } from "../model/draws.ts"

export interface Plan {
  /** Tokens in the split. */
  readonly tokens: number
  readonly sequenceLength: number
  readonly batchSize: number
  readonly seed: number
}

/** Windows in one epoch. The last overlaps the first where the split is no multiple of the sequence length. */
export const windowsPerEpoch = (plan: Pick<Plan, "tokens" | "sequenceLength">): number =>
  Math.ceil(plan.tokens / plan.sequenceLength)

/** Batches that cover this many epochs. */
export const batchesIn = (plan: Plan, epochs: number): number =>
  Math.ceil((windowsPerEpoch(plan) * epochs) / plan.batchSize)

/** Epochs done when `batches` batches are done. */
export const epochsAt = (plan: Plan, batches: number): number =>
  (batches * plan.batchSize) / windowsPerEpoch(plan)

export interface Batches {
  /** Index of the first token of each of a batch's windows. */
  readonly starts: (batch: number) => ReadonlyArray<number>
}

interface Epoch {
  readonly epoch: number
  readonly order: Uint32Array
  readonly shift: number
}

/** The order of one training run. Holds one epoch's order at a time. */
export const make = (plan: Plan): Batches => {
  const windows = windowsPerEpoch(plan)
  let current: Epoch = { epoch: -1, order: new Uint32Array(), shift: 0 }
  const epochOf = (epoch: number): Epoch => {
    if (current.epoch !== epoch) {
      const draw = draws(plan.seed, "epoch", epoch)
      current = {
        epoch,
        shift: Math.floor(draw() * plan.sequenceLength),
        order: permutation(windows, draw)
      }
    }
    return current
  }
  return {
    starts: (batch) =>
      Array.from({ length: plan.batchSize }, (_, row) => {
        const index = batch * plan.batchSize + row
        const { order, shift } = epochOf(Math.floor(index / windows))
        return (shift + order[index % windows]! * plan.sequenceLength) % plan.tokens
      })
  }
}
