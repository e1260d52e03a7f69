/** Which documents go to which split, and in what order: a function of the seed and the documents' sizes alone. */
import { draws, permutation } from "../model/draws.ts"

export interface Assignment {
  /** Document numbers in the order in which they are written. */
  readonly train: Uint32Array
  readonly validation: Uint32Array
}

/**
 * Goes through the documents in a seeded order and takes for validation what brings it closer to `share` of all bytes; the rest is for
 * training. Both splits have at least one document, so there must be two.
 */
export const assign = (lengths: Float64Array, share: number, seed: number): Assignment => {
  const order = permutation(lengths.length, draws(seed, "dataset"))
  const wanted = lengths.reduce((sum, length) => sum + length, 0) * share
  const isValidation = new Uint8Array(lengths.length)
  let taken = 0
  let documents = 0
  for (const id of order) {
    const after = taken + lengths[id]!
    if (documents === lengths.length - 1 || Math.abs(after - wanted) >= Math.abs(taken - wanted)) continue
    isValidation[id] = 1
    documents++
    taken = after
  }
  if (documents === 0) {
    // Each document is larger than twice the share: the smallest comes closest.
    isValidation[order.reduce((best, id) => (lengths[id]! < lengths[best]! ? id : best))] = 1
  }
  return {
    train: order.filter((id) => isValidation[id] === 0),
    validation: order.filter((id) => isValidation[id] === 1)
  }
}
