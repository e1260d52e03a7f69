import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { AdaptiveDocument, fit, type ScoredDocument, score } from "../../src/adaptive/AdaptiveModel.ts"
import { TrainingCounter } from "../../src/adaptive/DocumentExperts.ts"
import { draws } from "../../src/model/draws.ts"
import { Counter } from "../../src/ngrams/kneserNey.ts"

const vocabularySize = 40

/** A document that repeats runs of itself, as source code does. */
const someDocument = (seed: number, length = 300): Int32Array => {
  const draw = draws("adaptive", seed)
  const tokens: Array<number> = []
  while (tokens.length < length) {
    const from = Math.floor(draw() * tokens.length)
    if (tokens.length > 30 && draw() < 0.2) tokens.push(...tokens.slice(from, from + 12))
    else tokens.push(Math.floor(vocabularySize * draw() ** 2))
  }
  return Int32Array.from(tokens.slice(0, length))
}

/** What a neural model might say: the same at any place, most for the low ids. */
const modelDistribution = Float64Array.from(
  { length: vocabularySize },
  (_, token) => (vocabularySize - token) / ((vocabularySize * (vocabularySize + 1)) / 2)
)
const scored = (tokens: Int32Array): ScoredDocument => ({
  tokens,
  probabilities: Float64Array.from(tokens, (token) => modelDistribution[token]!)
})

const counter = new Counter(5, vocabularySize)
const trainingCounter = new TrainingCounter()
for (let seed = 0; seed < 8; seed++) {
  counter.add(someDocument(seed))
  trainingCounter.add(someDocument(seed))
}
const training = trainingCounter.finish(vocabularySize, counter.finish())
const fitted = Effect.suspend(() =>
  fit(
    training,
    [20, 21, 22, 23].map((seed) => scored(someDocument(seed)))
  )
)
const total = (bits: ArrayLike<number>) => Array.from(bits).reduce((sum, each) => sum + each, 0)

describe("adaptive prediction", () => {
  it.effect("is a distribution at every place, and gives the token that comes the same probability", () =>
    Effect.gen(function* () {
      const { gate, rate } = yield* fitted
      // A high rate too: the weights stay weights however far they have moved.
      for (const [own, seed] of [
        [rate, 30],
        [0.3, 31]
      ] as const) {
        const document = new AdaptiveDocument(training, gate, own)
        const draw = draws("places", seed)
        const tokens = [...someDocument(seed).subarray(0, 150), ...someDocument(2).subarray(10, 100)]
        for (const token of tokens) {
          const distribution = draw() < 0.3 ? document.distribution(modelDistribution) : undefined
          const probability = document.observe(token, modelDistribution[token]!)
          expect(probability).toBeGreaterThan(0)
          if (distribution === undefined) continue
          expect(Math.abs(total(distribution) - 1)).toBeLessThan(1e-6)
          expect(distribution.every((each) => each >= 0)).toBe(true)
          expect(Math.abs(distribution[token]! - probability)).toBeLessThan(1e-6)
        }
      }
    })
  )

  it.effect(
    "needs fewer bits than the model, than the training text's n-grams, and without its weights",
    () =>
      Effect.gen(function* () {
        const model = yield* fitted
        const documents = [40, 41, 42].map((seed) => scored(someDocument(seed)))
        const bits = total(documents.map((each) => total(score(model, each))))
        const alone = total(documents.map((each) => -total(Float64Array.from(each.probabilities, Math.log2))))
        const ngrams = total(documents.map((each) => training.kneserNey.score(each.tokens).bits))
        expect(bits).toBeLessThan(0.95 * Math.min(alone, ngrams))
      })
  )

  it.effect(
    "is fitted to the same by the same documents, and learns nothing from one document for the next",
    () =>
      Effect.gen(function* () {
        const [first, second] = [yield* fitted, yield* fitted]
        expect(second.rate).toBe(first.rate)
        expect(second.gate.parameters).toEqual(first.gate.parameters)
        const document = scored(someDocument(50))
        const bits = score(first, document)
        score(first, scored(someDocument(51)))
        expect(score(first, document)).toEqual(bits)
      })
  )

  it.effect("copies what the training text has after a long match", () =>
    Effect.gen(function* () {
      const model = yield* fitted
      const copied = score(model, scored(someDocument(3)))
      const fresh = score(model, scored(someDocument(60)))
      expect(total(copied.subarray(30))).toBeLessThan(0.5 * total(fresh.subarray(30)))
    })
  )
})
