import { describe, expect, it } from "@effect/vitest"
import type { Prepared } from "@trainyard/backends/Backend"
import { Effect, Stream } from "effect"
import { fit } from "../../src/adaptive/AdaptiveModel.ts"
import { TrainingCounter } from "../../src/adaptive/DocumentExperts.ts"
import { adaptiveTokens } from "../../src/generate/adaptiveTokens.ts"
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

describe("tokens from adaptive prediction", () => {
  it.effect("go on as the text so far does, where the model alone would not", () =>
    Effect.gen(function* () {
      const prompt = text(6)
      const read: Array<number> = []
      const model = yield* mixture
      const made = adaptiveTokens(generatorOf(read), model, endTokenId, prompt, options)
      expect(yield* Stream.runCollect(made)).toEqual([3, 7, 5, 11, 3, 7])
      // The model reads the end token before the document, then each token, and the last half of a full context again.
      expect(read.slice(0, 5)).toEqual([endTokenId, 3, 7, 5, 11])
      const alone = Completion.tokens(generatorOf([]), prompt, options)
      expect(yield* Stream.runCollect(alone)).toEqual([0, 0, 0, 0, 0, 0])
    })
  )

  it.effect("are the same for the same seed, also when one stream runs twice", () =>
    Effect.gen(function* () {
      const model = yield* mixture
      const made = (seed: number) =>
        adaptiveTokens(generatorOf([]), model, endTokenId, text(2), {
          ...options,
          ...{ maxTokens: 30, temperature: 8, seed, stopToken: undefined }
        })
      const one = made(1)
      const first = yield* Stream.runCollect(one)
      expect(first).toHaveLength(30)
      expect(yield* Stream.runCollect(one)).toEqual(first)
      expect(yield* Stream.runCollect(made(2))).not.toEqual(first)
    })
  )
})
