/** Experts that predict what followed the last tokens before: in the document so far, or in the training text. */
import type { ContextCounts } from "../ngrams/ContextCounts.ts"
import { bucket, type Expert } from "./Expert.ts"

const sureLimits = [1, 2, 4, 8, 16]
const shareLimits = [0.34, 0.5, 0.67, 0.8, 0.9]
const totalLimits = [4, 16]

/** States of a context: always the same follower, by occurrences; or several, by the most frequent one's share and by occurrences. */
export const contextStates = sureLimits.length + 1 + (shareLimits.length + 1) * (totalLimits.length + 1)

const stateOf = (counts: ContextCounts, length: number, context: number): number => {
  if (counts.total(length, context) === 0) return -1
  const { followers, highest, total } = counts.figures(length, context)
  return followers === 1
    ? bucket(total, sureLimits)
    : sureLimits.length +
        1 +
        bucket(highest / total, shareLimits) * (totalLimits.length + 1) +
        bucket(total, totalLimits)
}

/** The place in a text that all experts over the same counts share. */
export interface Place {
  readonly contexts: Int32Array
}

/** The relative frequencies of what followed the last `length` tokens. Whoever owns the place moves it, after all have observed. */
export const contextExpert = (counts: ContextCounts, length: number, { contexts }: Place): Expert => ({
  state: () => stateOf(counts, length, contexts[length]!),
  addTo: (distribution, weight) => {
    const context = contexts[length]!
    const total = counts.total(length, context)
    counts.forEachFollower(length, context, (token, count) => {
      distribution[token]! += (weight * count) / total
    })
  },
  observe: (token) => {
    const context = contexts[length]!
    const total = counts.total(length, context)
    return total === 0 ? 0 : counts.count(length, context, token) / total
  }
})
