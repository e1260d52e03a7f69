import { describe, expect, it } from "@effect/vitest"
import type { Prepared } from "@trainyard/backends/Backend"
import { Effect, Stream } from "effect"
import { type AdaptiveModel, fit } from "../../src/adaptive/AdaptiveModel.ts"
import { TrainingCounter } from "../../src/adaptive/DocumentExperts.ts"
import { adaptiveRow } from "../../src/generate/adaptiveRow.ts"
import { begin } from "../../src/generate/Batch.ts"
import * as Completion from "../../src/generate/Completion.ts"
import { Ports } from "../../src/model/Programs.ts"
import { Counter } from "../../src/ngrams/kneserNey.ts"

const vocabularySize = 20
const endTokenId = 19

/** A model that says the same at any place: token 0 most of all. */
const generatorOf = (read: Array<number>): Completion.TextGenerator => ({
  program: {
    run: (inputs: Readonly<Record<string, Int32Array>>) =>
      Effect.sync(() => {
        read.push(inputs[Ports.tokens]![0]!)
        return { [Ports.logits]: Float32Array.from({ length: vocabularySize }, (_, id) => -id / 20) }
      })
  } as Partial<Prepared> as Prepared,
  sequenceLength: 16
})

/** A text whose run of four tokens comes again and again. */
const run = [3, 7, 5, 11]
const text = (repeats: number) => Array.from({ length: repeats }, () => run).flat()

const mixture = Effect.suspend(() => {
  const counter = new Counter(5, vocabularySize)
  const training = new TrainingCounter()
  const learned = Int32Array.from({ length: 80 }, (_, at) => (at * 7 + (at % 3)) % vocabularySize)
  counter.add(learned)
  training.add(learned)
  const tokens = Int32Array.from([...text(12), endTokenId])
  const probabilities = new Float64Array(tokens.length).fill(1 / vocabularySize)
  return fit(training.finish(vocabularySize, counter.finish()), [{ tokens, probabilities }])
})

const options = { maxTokens: 6, temperature: 0, seed: 1, stopToken: endTokenId }

/** The tokens of one completion from adaptive prediction. */
const written = Effect.fnUntraced(function* (
  generator: Completion.TextGenerator,
  model: AdaptiveModel,
  prompt: ReadonlyArray<number>,
  settings: Completion.CompletionOptions
) {
  const made: Array<number> = []
  const row = Completion.tokenRow(prompt, settings, (token) => void made.push(token))
  const step = begin(generator, [adaptiveRow(row, model, endTokenId)])
  while (yield* step) {}
  return made
})

describe("a row of adaptive prediction", () => {
  it.effect("goes on as the text so far does, where the model alone would not", () =>
    Effect.gen(function* () {
      const prompt = text(6)
      const read: Array<number> = []
      const model = yield* mixture
      expect(yield* written(generatorOf(read), model, prompt, options)).toEqual([3, 7, 5, 11, 3, 7])
      // The model reads the end token before the document, then each token, and the last half of a full context again.
      expect(read.slice(0, 5)).toEqual([endTokenId, 3, 7, 5, 11])
      const alone = Completion.tokens(generatorOf([]), prompt, options)
      expect(yield* Stream.runCollect(alone)).toEqual([0, 0, 0, 0, 0, 0])
    })
  )

  it.effect("is the same for the same seed", () =>
    Effect.gen(function* () {
      const model = yield* mixture
      const made = (seed: number) =>
        written(generatorOf([]), model, text(2), {
          ...options,
          ...{ maxTokens: 30, temperature: 8, seed, stopToken: undefined }
        })
      const first = yield* made(1)
      expect(first).toHaveLength(30)
      expect(yield* made(1)).toEqual(first)
      expect(yield* made(2)).not.toEqual(first)
    })
  )
})
