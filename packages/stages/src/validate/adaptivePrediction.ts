/** Adaptive prediction of the measured documents, fitted on the validation split. */
import { Effect } from "effect"
import { fit as fitModel, type ScoredDocument, score } from "../adaptive/AdaptiveModel.ts"
import { TrainingCounter } from "../adaptive/DocumentExperts.ts"
import type { KneserNey } from "../ngrams/kneserNey.ts"
import { intervalOf, medianOf } from "./bootstrap.ts"
import { forEachDocument, type Scores, type Split, sample } from "./measure.ts"
import { ratioOf } from "./predict.ts"
import type { Adaptive } from "./Report.ts"
import { betterIn, type Measured, perByte, sumOf } from "./yardsticks.ts"

/** Training tokens that are counted at most: the counts of long contexts take about 200 bytes a token. */
const mostTrainingTokens = 4_000_000

/** What the mixture knows of the training text. */
export const countTraining = Effect.fn("validate.countTraining")(function* (
  train: Split,
  kneserNey: KneserNey,
  { mostTokens, seed }: { readonly mostTokens: number; readonly seed: number }
) {
  const counter = new TrainingCounter()
  yield* forEachDocument(sample(train, mostTokens, seed), (tokens) => counter.add(tokens))
  return counter.finish(kneserNey.vocabularySize, kneserNey)
})

export interface Options {
  readonly kneserNey: KneserNey
  readonly train: Split
  readonly fitted: { readonly split: Split; readonly scores: Scores }
  readonly measured: { readonly split: Split; readonly scores: Scores }
  readonly seed: number
}

/** What was fitted, and how the training text was counted for it. */
export interface Fit {
  readonly rate: number
  readonly parameters: ReadonlyArray<number>
  readonly mostTokens: number
  readonly seed: number
  readonly order: number
}

/** A split's documents with the neural model's probabilities. */
const scoredDocuments = Effect.fnUntraced(function* (split: Split, { tokenBits }: Scores) {
  const documents: Array<ScoredDocument> = []
  yield* forEachDocument(split, (tokens, index) => {
    documents.push({ tokens, probabilities: Float64Array.from(tokenBits[index]!, (bits) => 2 ** -bits) })
  })
  return documents
})

/** Fits the mixture, and gives the bits of each token of each measured document. */
export const scoreAdaptive = Effect.fn("validate.adaptive")(function* (options: Options) {
  const { fitted, kneserNey, measured, seed, train } = options
  const training = yield* countTraining(train, kneserNey, { mostTokens: mostTrainingTokens, seed })
  const model = yield* fitModel(training, yield* scoredDocuments(fitted.split, fitted.scores))
  const tokenBits: Array<Float32Array> = []
  for (const document of yield* scoredDocuments(measured.split, measured.scores)) {
    tokenBits.push(score(model, document))
    yield* Effect.sleep(0)
  }
  const fit: Fit = {
    rate: model.rate,
    parameters: Array.from(model.gate.parameters),
    mostTokens: mostTrainingTokens,
    seed,
    order: kneserNey.order
  }
  return { tokenBits, bits: Float64Array.from(tokenBits, sumOf), fit }
})

/** Its figures, beside the model's and those of what else was measured. */
export const adaptiveFigures = (
  { bits, fit }: { readonly bits: Float64Array; readonly fit: Fit },
  { fitted, measured, seed }: Options,
  others: ReadonlyArray<Measured>
): Adaptive => {
  const { documents } = measured.split
  const bytes = documents.map((each) => each.bytes)
  const model = measured.scores.bits
  return {
    bitsPerByte: sumOf(bits) / sumOf(bytes),
    interval: intervalOf(bits, bytes, seed),
    median: medianOf(perByte(bits, documents)),
    fittedDocuments: fitted.split.documents.length,
    fittedTokens: sumOf(fitted.split.documents.map((each) => each.tokens)),
    rate: fit.rate,
    against: [
      { name: "model", ratio: ratioOf(bits, model, seed), better: betterIn(bits, model, documents) },
      ...others.flatMap((other) =>
        "why" in other
          ? []
          : [
              {
                name: other.name,
                ratio:
                  other.bits === null
                    ? { value: sumOf(bits) / other.total, interval: null }
                    : ratioOf(bits, other.bits, seed),
                better: other.bits === null ? null : betterIn(bits, other.bits, documents)
              }
            ]
      )
    ]
  }
}
