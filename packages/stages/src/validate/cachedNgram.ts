/**
 * An n-gram with a cache of the document: what followed the last 0 to 3 tokens in the document so far, over the training text's
 * Kneser-Ney model, by Witten and Bell's interpolation (1991) with a factor c for each length of context:
 *
 *     p_k(w) = (n_k(w) + c_k T_k p_{k-1}(w)) / (N_k + c_k T_k),    p_{-1} = Kneser-Ney
 *
 * N_k occurrences of the context in the document so far, n_k(w) of them before w, T_k different tokens after it. The factors are fitted on the
 * validation split: each in turn takes the best of a list of values, until none changes.
 */
import { ContextCounts } from "../ngrams/ContextCounts.ts"
import type { KneserNey } from "../ngrams/kneserNey.ts"

const longest = 3
const lengths = longest + 1
const choices = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256]

/** A document's tokens as the mixture needs them: Kneser-Ney's probability, and n, N and T for each length. */
interface Counted {
  readonly base: Float64Array
  readonly counts: Float32Array
}

const count = (kneserNey: KneserNey, tokens: ArrayLike<number>): Counted => {
  const cache = new ContextCounts(longest)
  const contexts = cache.start()
  const base = new Float64Array(tokens.length)
  const counts = new Float32Array(tokens.length * lengths * 3)
  kneserNey.score(tokens, (at, bits) => {
    base[at] = 2 ** -bits
  })
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!
    for (let length = 0; length < lengths; length++) {
      const context = contexts[length]!
      if (cache.total(length, context) === 0) continue
      const { followers, total } = cache.figures(length, context)
      counts.set([cache.count(length, context, token), total, followers], (at * lengths + length) * 3)
    }
    cache.advance(contexts, token, true)
  }
  return { base, counts }
}

const bitsOf = ({ base, counts }: Counted, factors: ReadonlyArray<number>): Float32Array =>
  Float32Array.from(base, (lower, at) => {
    let probability = lower
    for (let length = 0; length < lengths; length++) {
      const first = (at * lengths + length) * 3
      const total = counts[first + 1]!
      if (total === 0) break
      const weight = factors[length]! * counts[first + 2]!
      probability = (counts[first]! + weight * probability) / (total + weight)
    }
    return -Math.log2(probability)
  })

const sum = (values: Float32Array): number => values.reduce((total, value) => total + value, 0)

/** A fitted n-gram with a cache. */
export interface CachedNgram {
  /** c for contexts of 0, 1, 2 and 3 tokens. */
  readonly factors: ReadonlyArray<number>
  /** Bits of each token of a document. */
  readonly score: (tokens: ArrayLike<number>) => Float32Array
}

/** Fits the factors to documents that the Kneser-Ney model was not trained on. */
export const fitCachedNgram = (
  kneserNey: KneserNey,
  documents: ReadonlyArray<ArrayLike<number>>
): CachedNgram => {
  const counted = documents.map((tokens) => count(kneserNey, tokens))
  const cost = (factors: ReadonlyArray<number>) =>
    counted.reduce((total, each) => total + sum(bitsOf(each, factors)), 0)
  let factors: ReadonlyArray<number> = Array.from({ length: lengths }, () => 1)
  let least = cost(factors)
  for (let changed = true; changed; ) {
    changed = false
    for (let length = 0; length < lengths; length++) {
      for (const choice of choices) {
        const tried = factors.with(length, choice)
        const bits = cost(tried)
        if (bits < least) {
          least = bits
          factors = tried
          changed = true
        }
      }
    }
  }
  return { factors, score: (tokens) => bitsOf(count(kneserNey, tokens), factors) }
}
