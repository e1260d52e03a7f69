/** Which documents go to which split, and in what order: a function of the seed and the documents' sizes alone. */
import { draws, permutation } from "../model/draws.ts"

/** Shares of all bytes. */
export interface Shares {
  readonly validation: number
  /** 0 asks for no test split. */
  readonly test: number
}

/** Document numbers in the order in which they are written. */
export interface Assignment {
  readonly train: Uint32Array
  readonly validation: Uint32Array
  /** Empty where none was asked for, and where no document is small enough for the share. */
  readonly test: Uint32Array
}

/**
 * Goes through the documents in a seeded order and takes for validation what brings it closer to its share of all bytes; the rest is
 * for training. Both splits have at least one document, so there must be two.
 *
 * The test split is cut from the end of what is left, so that it changes nothing about the other two: validation is what it
 * would be without it, and so is a training split of which only the first tokens are kept.
 */
export const assign = (lengths: Float64Array, shares: Shares, seed: number): Assignment => {
  const order = permutation(lengths.length, draws(seed, "dataset"))
  const total = lengths.reduce((sum, length) => sum + length, 0)
  const validation = new Set<number>()
  let taken = 0
  for (const id of order) {
    const after = taken + lengths[id]!
    if (validation.size === lengths.length - 1 || !closer(after, taken, total * shares.validation)) continue
    validation.add(id)
    taken = after
  }
  // Each document is larger than twice the share: the smallest comes closest.
  if (validation.size === 0)
    validation.add(order.reduce((best, id) => (lengths[id]! < lengths[best]! ? id : best)))

  const rest = order.filter((id) => !validation.has(id))
  const test = new Set<number>()
  taken = 0
  for (const id of rest.toReversed()) {
    const after = taken + lengths[id]!
    if (test.size === rest.length - 1) break
    if (closer(after, taken, total * shares.test)) {
      test.add(id)
      taken = after
    } else if (taken > 0) break
  }
  return {
    train: rest.filter((id) => !test.has(id)),
    validation: order.filter((id) => validation.has(id)),
    test: rest.filter((id) => test.has(id))
  }
}

/**
 * Like `assign`, with the documents of a cluster in the same split, one after the other. `clusters` has each document's number of one, -1 for
 * none; where no two documents share one, the result is that of `assign`. Undefined where all documents are one cluster.
 */
export const assignClusters = (
  lengths: Float64Array,
  clusters: Float64Array,
  shares: Shares,
  seed: number
): Assignment | undefined => {
  const units: Array<Array<number>> = []
  const unitOf = new Map<number, Array<number>>()
  for (let id = 0; id < lengths.length; id++) {
    const cluster = clusters[id]!
    const unit = cluster === -1 ? undefined : unitOf.get(cluster)
    if (unit !== undefined) {
      unit.push(id)
      continue
    }
    const begun = [id]
    units.push(begun)
    if (cluster !== -1) unitOf.set(cluster, begun)
  }
  if (units.length < 2) return undefined
  const sizes = Float64Array.from(units, (unit) => unit.reduce((sum, id) => sum + lengths[id]!, 0))
  const { test, train, validation } = assign(sizes, shares, seed)
  const documents = (drawn: Uint32Array) => Uint32Array.from([...drawn].flatMap((unit) => units[unit]!))
  return { train: documents(train), validation: documents(validation), test: documents(test) }
}

const closer = (one: number, other: number, wanted: number): boolean =>
  Math.abs(one - wanted) < Math.abs(other - wanted)
