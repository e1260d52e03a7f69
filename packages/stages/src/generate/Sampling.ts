/** Choosing the next token from its logits: greedy, or drawn at a temperature from the most likely ones. */

export interface Sampling {
  /** 0 always takes the most likely token; 1 draws from the model's own distribution. */
  readonly temperature: number
  /** Draw from this many of the most likely tokens only; all when absent. */
  readonly topK?: number | undefined
}

const mostLikely = (logits: Float32Array): number => {
  let best = 0
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id
  return best
}

/** The k-th largest logit: those below it are left out. One pass over a heap of the k largest so far, the least of them first. */
const cutOf = (logits: Float32Array, k: number): number => {
  if (k >= logits.length) return Number.NEGATIVE_INFINITY
  const heap = logits.slice(0, k).sort()
  for (let id = k; id < logits.length; id++) {
    const logit = logits[id]!
    if (logit <= heap[0]!) continue
    let at = 0
    for (let child = 1; child < k; child = 2 * at + 1) {
      if (child + 1 < k && heap[child + 1]! < heap[child]!) child++
      if (heap[child]! >= logit) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = logit
  }
  return heap[0]!
}

/**
 * Picks a token id. `uniform` is a number in [0, 1) that decides the draw. Ties at the edge of `topK` are all kept.
 */
export const pick = (logits: Float32Array, sampling: Sampling, uniform: number): number => {
  if (sampling.temperature === 0) return mostLikely(logits)
  const cut = sampling.topK === undefined ? Number.NEGATIVE_INFINITY : cutOf(logits, sampling.topK)
  const largest = logits[mostLikely(logits)]!
  const weight = (logit: number) => (logit < cut ? 0 : Math.exp((logit - largest) / sampling.temperature))
  let total = 0
  for (const logit of logits) total += weight(logit)
  let left = uniform * total
  let last = 0
  for (let id = 0; id < logits.length; id++) {
    const share = weight(logits[id]!)
    if (share === 0) continue
    last = id
    left -= share
    if (left < 0) return id
  }
  return last
}
