/** Experts of a document's recent words, of the training text's n-grams, and of the neural model. */
import type { KneserNey } from "../ngrams/kneserNey.ts"
import { bucket, type Expert } from "./Expert.ts"

/** After so many tokens a word counts 1/e of what it counted. */
const memoryTokens = 200
const seenLimits = [8, 32, 128, 512]

export const recencyStates = seenLimits.length + 1

/** The tokens of the document so far, the recent ones more than the old. */
export const recencyExpert = (vocabularySize: number): Expert => {
  const counts = new Float64Array(vocabularySize)
  const growth = Math.exp(1 / memoryTokens)
  let unit = 1
  let total = 0
  let seen = 0
  return {
    state: () => (seen === 0 ? -1 : bucket(seen, seenLimits)),
    addTo: (distribution, weight) => {
      for (let token = 0; token < vocabularySize; token++)
        distribution[token]! += (weight * counts[token]!) / total
    },
    observe: (token) => {
      const probability = seen === 0 ? 0 : counts[token]! / total
      counts[token]! += unit
      total += unit
      unit *= growth
      seen++
      if (unit > 1e100) {
        for (let id = 0; id < vocabularySize; id++) counts[id]! /= unit
        total /= unit
        unit = 1
      }
      return probability
    }
  }
}

export const kneserNeyStates = (order: number): number => 2 * order

/** The n-grams of the training text. Its states: how long a context it knows, and whether that has one follower. */
export const kneserNeyExpert = (model: KneserNey): Expert => {
  const walk = model.begin()
  return {
    state: () => {
      const { length, sure } = model.reach(walk)
      return 2 * length + (sure ? 1 : 0)
    },
    addTo: (distribution, weight) => {
      const own = model.distributionAt(walk)
      for (let token = 0; token < own.length; token++) distribution[token]! += weight * own[token]!
    },
    observe: (token) => model.advance(walk, token)
  }
}

const surpriseLimits = [0.25, 0.5, 1, 1.5, 2.5, 4]

export const modelStates = surpriseLimits.length + 1

/** What the neural model says at a document's next token, given from outside, since it predicts many tokens at once. */
export interface ModelOutput {
  /** Probability of the token that comes, for `observe`. */
  probability: number
  /** All probabilities, for `addTo`; undefined where only a known text is scored. */
  distribution: Float64Array | undefined
}

/** The neural model. Its states: how much the last tokens surprised it, in nats. */
export const modelExpert = (output: ModelOutput): Expert => {
  let surprise = 1.5
  return {
    state: () => bucket(surprise, surpriseLimits),
    addTo: (distribution, weight) => {
      const own = output.distribution
      if (own === undefined) return
      for (let token = 0; token < own.length; token++) distribution[token]! += weight * own[token]!
    },
    observe: () => {
      surprise += 0.15 * (Math.min(12, -Math.log(output.probability)) - surprise)
      return output.probability
    }
  }
}
