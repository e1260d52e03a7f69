import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { fit, score } from "../../src/adaptive/AdaptiveModel.ts"
import { TrainingCounter } from "../../src/adaptive/DocumentExperts.ts"
import * as FittedWeights from "../../src/adaptive/FittedWeights.ts"
import { Counter } from "../../src/ngrams/kneserNey.ts"

const vocabularySize = 10
const document = Int32Array.from({ length: 60 }, (_, at) => (at * at) % vocabularySize)
const scored = { tokens: document, probabilities: new Float64Array(document.length).fill(0.1) }

const trainingOf = (order: number) => {
  const counter = new Counter(order, vocabularySize)
  const training = new TrainingCounter()
  counter.add(document)
  training.add(document)
  return training.finish(vocabularySize, counter.finish())
}

const weightsOf = (parameters: ReadonlyArray<number>, rate: number): FittedWeights.FittedWeights => ({
  format: 1,
  model: "0a",
  tokenizer: "0b",
  training: { digest: "0c", mostTokens: 1000, seed: 1, order: 5 },
  rate,
  parameters
})

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

describe("fitted weights", () => {
  it.effect("give the mixture that was saved, to the bit", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const model = yield* fit(trainingOf(5), [scored])
      const weights = weightsOf(Array.from(model.gate.parameters), model.rate)
      yield* FittedWeights.save(directory, weights)
      const loaded = yield* FittedWeights.load(directory)
      expect(loaded).toEqual(weights)
      const mixture = yield* FittedWeights.mixtureOf(directory, trainingOf(5), loaded)
      expect(score(mixture, scored)).toEqual(score(model, scored))
      const other = yield* Effect.flip(FittedWeights.mixtureOf(directory, trainingOf(3), loaded))
      expect(other.message).toMatch(/adaptive\.json is of another version's mixture/)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.effect("are refused where they are not there, or damaged", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const absent = yield* Effect.flip(FittedWeights.load(directory))
      expect(absent.message).toMatch(/has no adaptive\.json.*Validate the model with adaptive set to true/)
      writeFileSync(join(directory, "adaptive.json"), '{"format":1}')
      expect((yield* Effect.flip(FittedWeights.load(directory))).message).toMatch(/adaptive\.json is damaged/)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
