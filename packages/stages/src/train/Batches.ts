/**
 * Which tokens make up which batch: a pure function of (seed, batch number), so that training can begin at any batch
 * without replaying the ones before.
 *
 * A batch is rows of `sequenceLength` predictions, and an epoch predicts every token of the split once.
 *
 * - `stream` cuts the split into windows. Window k predicts the tokens shift + k·T + 1 .. shift + k·T + T, the first of them from the token
 *   before. The split is read as a ring: the window at its end goes on at its beginning, where another document starts, which is what every
 *   document's end token is followed by anyway. `shift` is drawn anew for each epoch, so that no token always stands at a window's edge.
 * - `documents` packs whole documents into rows (`Packing.ts`). What a row has left is padding.
 */
import type { DocumentStarts } from "../dataset/DocumentStarts.ts"
import { draws, permutation } from "../model/draws.ts"
import { type Piece, pack, type Rows } from "./Packing.ts"

export interface Plan {
  /** Tokens in the split. */
  readonly tokens: number
  readonly sequenceLength: number
  readonly batchSize: number
  readonly seed: number
  /** Where the split's documents begin, for rows of whole documents; without them the split is cut as a stream. */
  readonly documents?: DocumentStarts | undefined
  /** The share of one of several replicas that train side by side; without it all batches. */
  readonly shard?: Shard | undefined
}

/** Every `of`-th batch, from batch `index` on: `of` such shares have each batch once. */
export interface Shard {
  /** From 0. */
  readonly index: number
  readonly of: number
}

export interface Batches {
  /** The pieces of each of a batch's rows, one behind the other. */
  readonly rows: (batch: number) => Rows
  /** Rows of one epoch, of a shard those of its share; of documents, of the first epoch. */
  readonly rowsPerEpoch: number
  /** Batches that cover this many epochs. */
  readonly batchesIn: (epochs: number) => number
  /** Epochs done when `batches` batches are done. */
  readonly epochsAt: (batches: number) => number
}

/** The rows of all epochs, one after the other. */
interface Order {
  /** Rows before an epoch. */
  readonly before: (epoch: number) => number
  readonly epochOf: (row: number) => number
  /** Rows of an epoch. */
  readonly make: (epoch: number) => (index: number) => ReadonlyArray<Piece>
}

const stream = ({ seed, sequenceLength, tokens }: Plan): Order => {
  // The last overlaps the first where the split is no multiple of the sequence length.
  const windows = Math.ceil(tokens / sequenceLength)
  return {
    before: (epoch) => epoch * windows,
    epochOf: (row) => Math.floor(row / windows),
    make: (epoch) => {
      const draw = draws(seed, "epoch", epoch)
      const shift = Math.floor(draw() * sequenceLength)
      const order = permutation(windows, draw)
      return (index) => [
        { target: (shift + order[index]! * sequenceLength + 1) % tokens, length: sequenceLength }
      ]
    }
  }
}

const packed = ({ seed, sequenceLength, tokens }: Plan, documents: DocumentStarts): Order => {
  const rowsOf = (epoch: number) => pack(documents, tokens, sequenceLength, draws(seed, "epoch", epoch))
  // How many rows an epoch has depends on its cuts.
  const ends: Array<number> = []
  const before = (epoch: number): number => {
    while (ends.length < epoch) ends.push((ends.at(-1) ?? 0) + rowsOf(ends.length).length)
    return epoch === 0 ? 0 : ends[epoch - 1]!
  }
  return {
    before,
    epochOf: (row) => {
      while ((ends.at(-1) ?? 0) <= row) before(ends.length + 1)
      let low = 0
      let high = ends.length - 1
      while (low < high) {
        const middle = (low + high) >> 1
        if (ends[middle]! > row) high = middle
        else low = middle + 1
      }
      return low
    },
    make: (epoch) => {
      const rows = rowsOf(epoch)
      return (index) => rows[index]!
    }
  }
}

/** The order of one training run. Holds one epoch's order at a time. */
export const make = (plan: Plan): Batches => {
  const { batchSize, documents, shard = { index: 0, of: 1 } } = plan
  const { before, epochOf, make } = documents === undefined ? stream(plan) : packed(plan, documents)
  let current = { epoch: -1, row: (_: number): ReadonlyArray<Piece> => [] }
  const epochAt = (epoch: number) => {
    if (current.epoch !== epoch) current = { epoch, row: make(epoch) }
    return current
  }
  const sizeOf = (epoch: number) => before(epoch + 1) - before(epoch)
  return {
    rows: (batch) =>
      Array.from({ length: batchSize }, (_, row) => {
        const index = (batch * shard.of + shard.index) * batchSize + row
        const epoch = epochOf(index)
        return epochAt(epoch).row(index - before(epoch))
      }),
    rowsPerEpoch: sizeOf(0) / shard.of,
    batchesIn: (epochs) => {
      const whole = Math.floor(epochs)
      return Math.ceil((before(whole) + (epochs - whole) * sizeOf(whole)) / (batchSize * shard.of))
    },
    epochsAt: (batches) => {
      const row = batches * batchSize * shard.of
      const epoch = epochOf(row)
      return epoch + (row - before(epoch)) / sizeOf(epoch)
    }
  }
}
