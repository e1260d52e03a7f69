/**
 * Choosing the next token from its logits: greedy, or drawn from the model's distribution after it was changed, in this order:
 *
 *   1. repetition penalty r: x becomes x / r where x > 0, else x · r, for tokens that are in the text already
 *   2. DRY, with multiplier m, base b and allowed length a: x becomes x - m · b^(n - a) for tokens that would go on with a repetition of n >= a
 *      tokens, that is, that followed the last n tokens of the text before
 *   3. temperature t: x becomes x / t; 0 takes the token of the largest x, the first of equals, and ends here
 *   4. top-k: tokens below the k-th largest x are left out; ties with it stay
 *   5. top-p: of p = softmax(x) over what is left, the smallest set of most likely tokens with a sum of at least top-p stays
 *   6. min-p: tokens with less than min-p times the probability of the most likely one are left out
 *
 * Everything is float64 arithmetic in the order of token ids over the engine's float32 logits, on one thread: the same logits, settings and
 * uniform number give the same token.
 *
 * Sources: repetition penalty: Keskar et al. 2019, "CTRL", arXiv:1909.05858, section 4.1, with the rule for negative logits of Hugging Face's
 * transformers; top-p: Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", arXiv:1904.09751; min-p: Nguyen et al. 2024,
 * "Turning Up the Heat: Min-p Sampling", arXiv:2407.01082; DRY ("don't repeat yourself"): Weidmann 2024, pull request 5677 of
 * text-generation-webui, as in llama.cpp, without sequence breakers: lines of code repeat across line breaks.
 */
import { type Buffers, makeBuffers, type Scores } from "./Buffers.ts"
import { History } from "./History.ts"
import { cutOf } from "./topK.ts"

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
  /** 0 or more: makes tokens less likely that go on with a repetition; 0, nothing, when absent. */
  readonly dryMultiplier?: number | undefined
  /** At least 1: how much more with each token that is repeated; 1.75 when absent. */
  readonly dryBase?: number | undefined
  /** Repeated tokens that are allowed; 2 when absent. */
  readonly dryAllowedLength?: number | undefined
}

/** The settings of sampling among others. */
export const samplingIn = (settings: Sampling): Sampling => ({
  temperature: settings.temperature,
  topK: settings.topK,
  topP: settings.topP,
  minP: settings.minP,
  repetitionPenalty: settings.repetitionPenalty,
  dryMultiplier: settings.dryMultiplier,
  dryBase: settings.dryBase,
  dryAllowedLength: settings.dryAllowedLength
})

/** What llama.cpp takes for DRY. */
export const dryDefaults = { base: 1.75, allowedLength: 2 }

const mostLikely = (scores: Scores): number => {
  let best = 0
  for (let id = 1; id < scores.length; id++) if (scores[id]! > scores[best]!) best = id
  return best
}

const largestOf = (values: Float64Array): number => {
  let largest = values[0]!
  for (const value of values) if (value > largest) largest = value
  return largest
}

/** The largest penalty of DRY: it leaves no chance, and sums stay finite. */
const largestDry = 1e6

const penalised = (
  logits: Float32Array,
  { dryAllowedLength, dryBase, dryMultiplier = 0, repetitionPenalty = 1 }: Sampling,
  history: History,
  buffers: Buffers
): Scores => {
  if (repetitionPenalty === 1 && dryMultiplier === 0) return logits
  if (buffers.scores.length !== logits.length) buffers.scores = new Float64Array(logits.length)
  const { scores } = buffers
  scores.set(logits)
  if (repetitionPenalty !== 1)
    for (const id of history.ids) {
      const score = scores[id]
      if (score !== undefined) scores[id] = score > 0 ? score / repetitionPenalty : score * repetitionPenalty
    }
  if (dryMultiplier > 0) {
    const [base, allowed] = [dryBase ?? dryDefaults.base, dryAllowedLength ?? dryDefaults.allowedLength]
    for (const [id, length] of history.repetitions(allowed)) {
      const score = scores[id]
      if (score !== undefined)
        scores[id] = score - Math.min(dryMultiplier * base ** (length - allowed), largestDry)
    }
  }
  return scores
}

/** How near to 1 top-p may be, and how much of what it leaves out small weights may be together, so that rounded sums cannot tell otherwise. */
const mostOfShare = 1 - 1e-6
const smallerShare = 0.99

/** Leaves the smallest set of the largest weights whose sum is at least `topP` of all; of equal weights the lower ids first. */
const keepTopP = (buffers: Buffers, topP: number): void => {
  const { count, weights } = buffers
  if (buffers.order.length < count) buffers.order = new Int32Array(buffers.weights.length)
  const { order } = buffers
  let total = 0
  for (let index = 0; index < count; index++) total += weights[index]!
  // All that are smaller than this are together less than what may be left out, also where sums are rounded: none of them is kept.
  const least = topP <= mostOfShare ? (smallerShare * (1 - topP) * total) / count : 0
  let ordered = 0
  for (let index = 0; index < count; index++) {
    if (weights[index]! >= least) order[ordered++] = index
    else weights[index] = 0
  }
  const isBefore = (a: number, b: number): boolean =>
    weights[a]! > weights[b]! || (weights[a]! === weights[b]! && a < b)
  // A heap, the largest first, of which as many are taken as are kept: mostly a few.
  const down = (from: number, length: number): void => {
    const moved = order[from]!
    let at = from
    for (let child = 2 * at + 1; child < length; child = 2 * at + 1) {
      if (child + 1 < length && isBefore(order[child + 1]!, order[child]!)) child++
      if (!isBefore(order[child]!, moved)) break
      order[at] = order[child]!
      at = child
    }
    order[at] = moved
  }
  for (let at = (ordered >> 1) - 1; at >= 0; at--) down(at, ordered)
  const wanted = topP * total
  let left = ordered
  for (let sum = 0; left > 0 && sum < wanted; ) {
    sum += weights[order[0]!]!
    order[0] = order[--left]!
    down(0, left)
  }
  for (let at = 0; at < left; at++) weights[order[at]!] = 0
}

/** A little less than min-p's logarithm: what is below has a smaller weight however it is rounded. */
const slack = 1e-6

/** Puts the candidates into the buffers: ids and weights to draw by, in proportion to the probabilities; the largest is 1. */
const gather = (
  scores: Scores,
  { minP = 0, temperature, topK, topP = 1 }: Sampling,
  buffers: Buffers
): void => {
  if (buffers.ids.length !== scores.length) {
    buffers.ids = new Int32Array(scores.length)
    buffers.weights = new Float64Array(scores.length)
  }
  const { ids, weights } = buffers
  if (temperature === 0) {
    ids[0] = mostLikely(scores)
    weights[0] = 1
    buffers.count = 1
    return
  }
  const isCut = topK !== undefined && topK < scores.length
  const cut = isCut ? cutOf(scores, topK, buffers) : Number.NEGATIVE_INFINITY
  const most = isCut ? buffers.count : scores.length
  const largest = isCut ? largestOf(buffers.largest) : scores[mostLikely(scores)]!
  // Top-p is a share of all weights, also of those that min-p leaves out later.
  const lowest = minP > 0 && topP >= 1 ? Math.log(minP) - slack : Number.NEGATIVE_INFINITY
  let count = 0
  for (let at = 0; at < most; at++) {
    const id = isCut ? ids[at]! : at
    const score = scores[id]!
    if (score < cut) continue
    const exponent = (score - largest) / temperature
    if (exponent < lowest) continue
    const weight = Math.exp(exponent)
    if (!(weight > 0)) continue
    ids[count] = id
    weights[count++] = weight
  }
  buffers.count = count
  if (topP < 1) keepTopP(buffers, topP)
  if (minP > 0) for (let index = 0; index < count; index++) if (weights[index]! < minP) weights[index] = 0
}

/**
 * Probability of each token [V] under these settings; they sum to 1. `history`: the text so far, for the penalties.
 */
export const distribution = (
  logits: Float32Array,
  sampling: Sampling,
  history: History = new History()
): Float64Array => {
  const buffers = makeBuffers()
  gather(penalised(logits, sampling, history, buffers), sampling, buffers)
  let total = 0
  for (let index = 0; index < buffers.count; index++) total += buffers.weights[index]!
  const all = new Float64Array(logits.length)
  for (let index = 0; index < buffers.count; index++)
    all[buffers.ids[index]!] = buffers.weights[index]! / total
  return all
}

/** Draws one of the candidates in proportion to their weights, by a number in [0, 1): where it is. Undefined where all weights are zero. */
const drawn = ({ count, weights }: Buffers, uniform: number): number | undefined => {
  let total = 0
  for (let index = 0; index < count; index++) total += weights[index]!
  let left = uniform * total
  let last: number | undefined
  for (let index = 0; index < count; index++) {
    const weight = weights[index]!
    if (weight === 0) continue
    last = index
    left -= weight
    if (left < 0) return index
  }
  return last
}

/**
 * Picks a token id. `uniform` is a number in [0, 1) that decides the draw; `history` is the text so far, for the penalties.
 */
export const pick = (
  logits: Float32Array,
  sampling: Sampling,
  uniform: number,
  history: History = new History(),
  buffers: Buffers = makeBuffers()
): number => {
  const scores = penalised(logits, sampling, history, buffers)
  if (sampling.temperature === 0) return mostLikely(scores)
  gather(scores, sampling, buffers)
  const index = drawn(buffers, uniform)
  return index === undefined ? 0 : buffers.ids[index]!
}

/** Tokens to draw from again and again: what is taken away is not drawn again, and the others keep their proportions. Valid until the buffers are used again. */
export interface Candidates {
  /** A token id, by a number in [0, 1); undefined where none is left. */
  readonly draw: (uniform: number) => number | undefined
  /** Takes away the token that was drawn last. */
  readonly drop: () => void
}

/** The tokens that `pick` draws from: its first draw is that of `pick`. They are valid until the buffers are used again. */
export const candidates = (
  logits: Float32Array,
  sampling: Sampling,
  history: History = new History(),
  buffers: Buffers = makeBuffers()
): Candidates => {
  gather(penalised(logits, sampling, history, buffers), sampling, buffers)
  let last: number | undefined
  return {
    draw: (uniform) => {
      last = drawn(buffers, uniform)
      return last === undefined ? undefined : buffers.ids[last]!
    },
    drop: () => {
      if (last !== undefined) buffers.weights[last] = 0
    }
  }
}
