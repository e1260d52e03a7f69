/**
 * The k largest of many scores. Most of the time goes into looking at each score once; the rest is a heap of the k largest so far, the least of
 * them first, of which few scores become a part.
 */
import type { Buffers, Scores } from "./Buffers.ts"

/** Moves an entry of a heap, the least first, down to its place. */
const sink = (heap: Float64Array, length: number, from: number): void => {
  const score = heap[from]!
  let at = from
  for (let child = 2 * at + 1; child < length; child = 2 * at + 1) {
    if (child + 1 < length && heap[child + 1]! < heap[child]!) child++
    if (heap[child]! >= score) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = score
}

/** Makes a heap of the first entries. */
const heapify = (heap: Float64Array, length: number): void => {
  for (let at = (length >> 1) - 1; at >= 0; at--) sink(heap, length, at)
}

/** Every so many scores, one is looked at for a guess. */
const stride = 8

/** Scores that the guess lets through, as a multiple of those that are wanted: room for a sample that is not like the others. */
const room = 2.5

/**
 * A score that is, more likely than not, below the k-th largest and above most: that of a place in the order of every eighth. Undefined where
 * there are too few for a guess to pay. Uses the heap.
 */
const guessOf = (scores: Scores, k: number, heap: Float64Array): number | undefined => {
  const place = Math.ceil((room * k) / stride)
  if (place > k || place * stride * 2 > scores.length) return undefined
  for (let at = 0; at < place; at++) heap[at] = scores[at * stride]!
  heapify(heap, place)
  for (let id = place * stride; id < scores.length; id += stride) {
    const score = scores[id]!
    if (score <= heap[0]!) continue
    heap[0] = score
    sink(heap, place, 0)
  }
  return heap[0]
}

/** Puts the ids of the scores from `least` on into the buffers. */
const gatherFrom = (scores: Scores, least: number, buffers: Buffers): void => {
  const { ids } = buffers
  let count = 0
  for (let id = 0; id < scores.length; id++) if (scores[id]! >= least) ids[count++] = id
  buffers.count = count
}

/** Puts all ids into the buffers. */
const gatherAll = (scores: Scores, buffers: Buffers): void => {
  for (let id = 0; id < scores.length; id++) buffers.ids[id] = id
  buffers.count = scores.length
}

/**
 * The k-th largest score, of more than k. Puts the ids of the scores that are as large into the buffers, ascending, and the k largest scores into
 * `largest`, the least of them first.
 */
export const cutOf = (scores: Scores, k: number, buffers: Buffers): number => {
  if (buffers.largest.length !== k) buffers.largest = new Float64Array(k)
  const { ids, largest: heap } = buffers
  const guess = guessOf(scores, k, heap)
  if (guess !== undefined) gatherFrom(scores, guess, buffers)
  if (guess === undefined || buffers.count < k) gatherAll(scores, buffers)
  const { count } = buffers
  for (let at = 0; at < k; at++) heap[at] = scores[ids[at]!]!
  heapify(heap, k)
  let least = heap[0]!
  for (let at = k; at < count; at++) {
    const score = scores[ids[at]!]!
    if (score <= least) continue
    heap[0] = score
    sink(heap, k, 0)
    least = heap[0]!
  }
  let kept = 0
  for (let at = 0; at < count; at++) {
    const id = ids[at]!
    if (scores[id]! >= least) ids[kept++] = id
  }
  buffers.count = kept
  return least
}
