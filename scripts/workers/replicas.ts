/**
 * What scripts/workers/diloco.ts compares, on the C sources of an npm package with the model of the quickstart: one worker and several replicas with
 * the same settings of each worker, from drawn weights and from those of a model that one worker has trained before.
 */
import { Effect, Schema } from "effect"
import {
  buildDataset,
  checkpoint,
  collect,
  diloco,
  Pipeline,
  Qwen,
  Source,
  splitCorpus,
  tokenize,
  train
} from "trainyard"

const positive = Schema.Int.check(Schema.isGreaterThan(0))
const count = (value: number) => positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value)))
const list = <const L extends readonly [number, ...ReadonlyArray<number>]>(values: L) =>
  Schema.NonEmptyArray(positive).pipe(Schema.withDecodingDefaultKey(Effect.succeed(values)))

const parameters = {
  replicas: count(4),
  /** Steps of each worker. */
  steps: count(300),
  /** Steps of one worker before that, in the second comparison. */
  before: count(200),
  localSteps: list([10, 50]),
  optimizer: Schema.Literals(["adamw", "muon"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("adamw" as const))
  ),
  learningRate: Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(3e-3))),
  seed: count(1)
}

export default Pipeline.make(
  "replicas",
  { parameters },
  ({ before, learningRate, localSteps, optimizer, replicas, seed, steps }) => {
    const corpus = collect({
      sources: [Source.npm("node-rdkafka@3.6.1", { include: ["**/*.{c,h}"] })]
    })
    const split = splitCorpus({ corpus })
    const dataset = buildDataset({ split, tokenizer: tokenize({ split, vocabularySize: 2_000 }) })
    const model = { ...Qwen.tiny, keyValueHeads: 4 }
    const settings = {
      dataset,
      windows: "documents",
      optimizer,
      muon: { learningRate: 0.015, weightDecay: 0.1 },
      learningRate,
      weightDecay: 0.1,
      schedule: "linear",
      sequenceLength: 256,
      batchSize: 4,
      evaluationTokens: 20_000,
      seed
    } as const
    const one = { ...settings, evaluateEvery: 100 }
    const replicated = (each: number) => ({
      ...settings,
      experimental: true as const,
      replicas,
      rounds: Math.max(1, Math.round(steps / each)),
      localSteps: each
    })
    const base = checkpoint({
      name: "before-model",
      run: train({ ...one, name: "before", model, steps: before, minLearningRate: learningRate })
    })
    return [
      train({ ...one, name: "drawn-one-equal-time", model, steps }),
      train({ ...one, name: "drawn-one-equal-tokens", model, steps: steps * replicas }),
      train({ ...one, name: "drawn-every-step", model, steps, gradientAccumulationSteps: replicas }),
      ...localSteps.map((each) => diloco({ ...replicated(each), name: `drawn-diloco-${each}`, model })),
      train({ ...one, name: "trained-one-equal-time", from: base, steps }),
      train({ ...one, name: "trained-one-equal-tokens", from: base, steps: steps * replicas }),
      train({ ...one, name: "trained-every-step", from: base, steps, gradientAccumulationSteps: replicas }),
      ...localSteps.map((each) => diloco({ ...replicated(each), name: `trained-diloco-${each}`, from: base }))
    ]
  }
)
