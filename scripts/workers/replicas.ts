/**
 * What scripts/workers/diloco.ts compares: one worker and several replicas on the dataset of the quickstart, with the same settings of each
 * worker.
 */
import { Effect, Schema } from "effect"
import {
  buildDataset,
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

const parameters = {
  replicas: count(4),
  steps: count(300),
  localSteps: Schema.NonEmptyArray(positive).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed([25, 50, 100] as const))
  ),
  innerStates: Schema.NonEmptyArray(Schema.Literals(["keep", "reset"])).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(["keep", "reset"] as const))
  ),
  optimizer: Schema.Literals(["adamw", "muon"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("adamw" as const))
  ),
  seed: count(1)
}

export default Pipeline.make(
  "replicas",
  { parameters },
  ({ innerStates, localSteps, optimizer, replicas, seed, steps }) => {
    const corpus = collect({
      sources: [Source.npm("node-rdkafka@3.6.1", { include: ["**/*.{c,h}"] })],
      maximumBytes: 1_200_000
    })
    const split = splitCorpus({ corpus })
    const dataset = buildDataset({ split, tokenizer: tokenize({ split, vocabularySize: 2_000 }) })
    const settings = {
      dataset,
      model: { ...Qwen.tiny, keyValueHeads: 4 },
      windows: "documents",
      optimizer,
      muon: { learningRate: 0.015, weightDecay: 0.1 },
      learningRate: 5e-3,
      weightDecay: 0.1,
      schedule: "linear",
      sequenceLength: 256,
      batchSize: 4,
      evaluationTokens: 20_000,
      seed
    } as const
    const one = { ...settings, evaluateEvery: 50 }
    return [
      train({ ...one, name: "one-equal-time", steps }),
      train({ ...one, name: "one-equal-tokens", steps: steps * replicas }),
      train({ ...one, name: "every-step", steps, gradientAccumulationSteps: replicas }),
      ...localSteps.flatMap((each) =>
        innerStates.map((innerState) =>
          diloco({
            ...settings,
            experimental: true,
            name: `${innerState}-${each}`,
            replicas,
            rounds: Math.max(1, Math.round(steps / each)),
            localSteps: each,
            innerState
          })
        )
      )
    ]
  }
)
