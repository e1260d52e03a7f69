/** Log-probabilities of a token and of the most likely ones, under the model's own distribution: before penalty, temperature and cuts. */

export interface LogProbability {
  readonly id: number
  /** Nats, at most 0. */
  readonly logProbability: number
}

export interface TokenLogProbability extends LogProbability {
  /** The most likely tokens, likeliest first, of equal ones the lower id first; the token itself may be among them. */
  readonly alternatives: ReadonlyArray<LogProbability>
}

/** log softmax of the logits [V], in float64, at a token and at the `count` most likely ones. */
export const logProbabilities = (logits: Float32Array, id: number, count: number): TokenLogProbability => {
  let largest = Number.NEGATIVE_INFINITY
  for (const logit of logits) largest = Math.max(largest, logit)
  let sum = 0
  for (const logit of logits) sum += Math.exp(logit - largest)
  const normalizer = largest + Math.log(sum)
  const at = (id: number): LogProbability => ({ id, logProbability: logits[id]! - normalizer })
  const best: Array<number> = []
  for (let other = 0; count > 0 && other < logits.length; other++) {
    if (best.length === count && logits[other]! <= logits[best.at(-1)!]!) continue
    let place = best.length
    while (place > 0 && logits[best[place - 1]!]! < logits[other]!) place--
    best.splice(place, 0, other)
    if (best.length > count) best.pop()
  }
  return { ...at(id), alternatives: best.map(at) }
}
