/**
 * Choosing the next token from its logits: greedy, or drawn from the model's distribution after it was changed, in this order:
 *
 *   1. repetition penalty r: x becomes x / r where x > 0, else x · r, for tokens that are in the text already
 *   2. temperature t: x becomes x / t; 0 takes the token of the largest x, the first of equals, and ends here
 *   3. top-k: tokens below the k-th largest x are left out; ties with it stay
 *   4. top-p: of p = softmax(x) over what is left, the smallest set of most likely tokens with a sum of at least top-p stays
 *   5. min-p: tokens with less than min-p times the probability of the most likely one are left out
 *
 * Everything is float64 arithmetic in the order of token ids over the engine's float32 logits, on one thread: the same logits, settings and
 * uniform number give the same token.
 *
 * Sources: repetition penalty: Keskar et al. 2019, "CTRL", arXiv:1909.05858, section 4.1, with the rule for negative logits of Hugging Face's
 * transformers; top-p: Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", arXiv:1904.09751; min-p: Nguyen et al. 2024,
 * "Turning Up the Heat: Min-p Sampling", arXiv:2407.01082.
 */

export interface Sampling {
  /** 0 always takes the most likely token; 1 draws from the model's own distribution. */
  readonly temperature: number
  /** Draw from this many of the most likely tokens only; all when absent. */
  readonly topK?: number | undefined
  /** Above 0, at most 1: draw from the fewest most likely tokens that are together at least this probable; all when absent. */
  readonly topP?: number | undefined
  /** From 0 to 1: leave out tokens with less than this share of the most likely token's probability; none when absent. */
  readonly minP?: number | undefined
  /** Above 0: makes tokens that are in the text already less likely where it is above 1; no change when absent. */
  readonly repetitionPenalty?: number | undefined
}

type Scores = Float32Array | Float64Array

const mostLikely = (scores: Scores): number => {
  let best = 0
  for (let id = 1; id < scores.length; id++) if (scores[id]! > scores[best]!) best = id
  return best
}

/** The k-th largest score: those below it are left out. One pass over a heap of the k largest so far, the least of them first. */
const cutOf = (scores: Scores, k: number): number => {
  if (k >= scores.length) return Number.NEGATIVE_INFINITY
  const heap = scores.slice(0, k).sort()
  for (let id = k; id < scores.length; id++) {
    const score = scores[id]!
    if (score <= heap[0]!) continue
    let at = 0
    for (let child = 1; child < k; child = 2 * at + 1) {
      if (child + 1 < k && heap[child + 1]! < heap[child]!) child++
      if (heap[child]! >= score) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = score
  }
  return heap[0]!
}

const penalised = (logits: Float32Array, penalty: number, seen: Iterable<number>): Scores => {
  if (penalty === 1) return logits
  const scores = Float64Array.from(logits)
  for (const id of new Set(seen)) {
    const score = scores[id]
    if (score !== undefined) scores[id] = score > 0 ? score / penalty : score * penalty
  }
  return scores
}

const sumOf = (weights: Float64Array): number => {
  let total = 0
  for (const weight of weights) total += weight
  return total
}

/** Leaves the smallest set of the largest weights whose sum is at least `topP` of all; of equal weights the lower ids first. */
const keepTopP = (weights: Float64Array, topP: number): void => {
  const wanted = topP * sumOf(weights)
  const order = [...weights.keys()].filter((id) => weights[id]! > 0)
  order.sort((a, b) => weights[b]! - weights[a]! || a - b)
  let sum = 0
  for (const id of order) {
    if (sum >= wanted) weights[id] = 0
    else sum += weights[id]!
  }
}

/** Room for the weights [V] of one text, which each token writes anew: a new array for each would cost more than the draw. */
export const weightsRoom = (): { weights: Float64Array } => ({ weights: new Float64Array(0) })
type Room = ReturnType<typeof weightsRoom>

/** Weights to draw by, in proportion to the probabilities; the largest is 1. */
const weightsOf = (
  scores: Scores,
  { minP = 0, temperature, topK, topP = 1 }: Sampling,
  room: Room = weightsRoom()
): Float64Array => {
  if (room.weights.length === scores.length) room.weights.fill(0)
  else room.weights = new Float64Array(scores.length)
  const { weights } = room
  const best = mostLikely(scores)
  if (temperature === 0) {
    weights[best] = 1
    return weights
  }
  const cut = topK === undefined ? Number.NEGATIVE_INFINITY : cutOf(scores, topK)
  const largest = scores[best]!
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id]!
    if (score >= cut) weights[id] = Math.exp((score - largest) / temperature)
  }
  if (topP < 1) keepTopP(weights, topP)
  if (minP > 0) for (let id = 0; id < weights.length; id++) if (weights[id]! < minP) weights[id] = 0
  return weights
}

/**
 * Probability of each token [V] under these settings; they sum to 1. `seen`: ids of the text so far, for the repetition penalty.
 */
export const distribution = (
  logits: Float32Array,
  sampling: Sampling,
  seen: Iterable<number> = []
): Float64Array => {
  const weights = weightsOf(penalised(logits, sampling.repetitionPenalty ?? 1, seen), sampling)
  const total = sumOf(weights)
  return weights.map((weight) => weight / total)
}

/** The ids that have a weight, in their order: mostly a few of many. */
const idsOf = (weights: Float64Array): ReadonlyArray<number> => {
  const ids: Array<number> = []
  for (let id = 0; id < weights.length; id++) if (weights[id]! > 0) ids.push(id)
  return ids
}

/** Draws one of the ids in proportion to their weights, by a number in [0, 1). Undefined where all weights are zero. */
const drawn = (weights: Float64Array, ids: ReadonlyArray<number>, uniform: number): number | undefined => {
  let total = 0
  for (const id of ids) total += weights[id]!
  let left = uniform * total
  let last: number | undefined
  for (const id of ids) {
    const weight = weights[id]!
    if (weight === 0) continue
    last = id
    left -= weight
    if (left < 0) return id
  }
  return last
}

/**
 * Picks a token id. `uniform` is a number in [0, 1) that decides the draw; `seen` are the ids of the text so far, for the repetition penalty.
 */
export const pick = (
  logits: Float32Array,
  sampling: Sampling,
  uniform: number,
  seen: Iterable<number> = [],
  room?: Room
): number => {
  const scores = penalised(logits, sampling.repetitionPenalty ?? 1, seen)
  if (sampling.temperature === 0) return mostLikely(scores)
  const weights = weightsOf(scores, sampling, room)
  return drawn(weights, idsOf(weights), uniform) ?? 0
}

/** Tokens to draw from again and again: what is taken away is not drawn again, and the others keep their proportions. Valid until the room is used again. */
export interface Candidates {
  /** A token id, by a number in [0, 1); undefined where none is left. */
  readonly draw: (uniform: number) => number | undefined
  readonly take: (id: number) => void
}

/** The tokens that `pick` draws from: its first draw is that of `pick`. They are valid until the room is used again. */
export const candidates = (
  logits: Float32Array,
  sampling: Sampling,
  seen: Iterable<number> = [],
  room?: Room
): Candidates => {
  const weights = weightsOf(penalised(logits, sampling.repetitionPenalty ?? 1, seen), sampling, room)
  const ids = idsOf(weights)
  return {
    draw: (uniform) => drawn(weights, ids, uniform),
    take: (id) => {
      weights[id] = 0
    }
  }
}
