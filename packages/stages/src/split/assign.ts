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
  const isValidation = new Uint8Array(lengths.length)
  let validations = 0
  let taken = 0
  for (const id of order) {
    const after = taken + lengths[id]!
    if (validations === lengths.length - 1 || !closer(after, taken, total * shares.validation)) continue
    isValidation[id] = 1
    validations++
    taken = after
  }
  // Each document is larger than twice the share: the smallest comes closest.
  if (validations === 0)
    isValidation[order.reduce((best, id) => (lengths[id]! < lengths[best]! ? id : best))] = 1

  const rest = order.filter((id) => isValidation[id] === 0)
  const isTest = new Uint8Array(lengths.length)
  let tests = 0
  taken = 0
  for (let at = rest.length - 1; at >= 0; at--) {
    const id = rest[at]!
    const after = taken + lengths[id]!
    if (tests === rest.length - 1) break
    if (closer(after, taken, total * shares.test)) {
      isTest[id] = 1
      tests++
      taken = after
    } else if (taken > 0) break
  }
  return {
    train: rest.filter((id) => isTest[id] === 0),
    validation: order.filter((id) => isValidation[id] === 1),
    test: rest.filter((id) => isTest[id] === 1)
  }
}

/** Documents by their units, which are drawn as one: those of a cluster, or one that is in none. Units are in the order of their first documents. */
interface Units {
  readonly count: number
  /** All documents, unit by unit, in ascending order within each. */
  readonly members: Uint32Array
  /** Where each unit begins in `members`; one more, where the last ends. */
  readonly starts: Uint32Array
}

const unitsOf = (clusters: Int32Array): Units => {
  const documents = clusters.length
  const unitOf = new Uint32Array(documents)
  const unitOfCluster = new Map<number, number>()
  let count = 0
  for (let id = 0; id < documents; id++) {
    const cluster = clusters[id]!
    const known = cluster === -1 ? undefined : unitOfCluster.get(cluster)
    unitOf[id] = known ?? count++
    if (cluster !== -1) unitOfCluster.set(cluster, unitOf[id]!)
  }
  const starts = new Uint32Array(count + 1)
  for (const unit of unitOf) starts[unit + 1]!++
  for (let unit = 0; unit < count; unit++) starts[unit + 1]! += starts[unit]!
  const members = new Uint32Array(documents)
  const next = starts.slice()
  for (let id = 0; id < documents; id++) members[next[unitOf[id]!]!++] = id
  return { count, members, starts }
}

/**
 * Like `assign`, with the documents of a cluster in the same split, one after the other. `clusters` has each document's number of one, -1 for
 * none; where no two documents share one, the result is that of `assign`. Undefined where all documents are one cluster.
 */
export const assignClusters = (
  lengths: Float64Array,
  clusters: Int32Array,
  shares: Shares,
  seed: number
): Assignment | undefined => {
  const { count, members, starts } = unitsOf(clusters)
  if (count < 2) return undefined
  const membersOf = (unit: number) => members.subarray(starts[unit], starts[unit + 1])
  const sizes = Float64Array.from({ length: count }, (_, unit) =>
    membersOf(unit).reduce((sum, id) => sum + lengths[id]!, 0)
  )
  const { test, train, validation } = assign(sizes, shares, seed)
  const documents = (drawn: Uint32Array) => {
    const all = new Uint32Array(drawn.reduce((sum, unit) => sum + starts[unit + 1]! - starts[unit]!, 0))
    let at = 0
    for (const unit of drawn) {
      all.set(membersOf(unit), at)
      at += starts[unit + 1]! - starts[unit]!
    }
    return all
  }
  return { train: documents(train), validation: documents(validation), test: documents(test) }
}

const closer = (one: number, other: number, wanted: number): boolean =>
  Math.abs(one - wanted) < Math.abs(other - wanted)
