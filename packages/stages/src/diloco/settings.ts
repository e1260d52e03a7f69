/** What the stages of data parallel training are configured with: settings of `train`, but for those that have no place in a round. */
import type { Artifact } from "@trainyard/core/Artifact"
import { Effect, Schema, Struct } from "effect"
import type { Dataset } from "../dataset/Dataset.ts"
import { integerSeed } from "../model/draws.ts"
import type { Shard } from "../train/Batches.ts"
import { decayRate, positive, positiveInt } from "../train/numbers.ts"
import type { DatasetFacts } from "../train/Plan.ts"
import { fields, TrainConfig } from "../train/TrainConfig.ts"
import { documentsOf } from "../train/train.ts"

/** At most so many replicas. */
export const mostReplicas = 16

const length = "rounds and localSteps say how long it trains"
const average = "the average of the replicas is what is evaluated and published"
const rounds = "the average is evaluated after each round"
const samples = "it shows no samples on the way"

/** Settings and inputs of `train` that a replica does not take, and why. */
export const notTaken = {
  epochs: length,
  steps: length,
  emaSteps: average,
  averageLast: average,
  evaluateEvery: rounds,
  patience: rounds,
  distill: "it takes no teacher",
  sampleEvery: samples,
  prompts: samples,
  sampleTokens: samples,
  sampleTemperature: samples
} as const satisfies Partial<Record<keyof typeof fields, string>>

/** Settings of the evaluation of an average, which replicas have no use for. */
export const evaluationFields = Struct.pick(fields, ["batchSize", "calibrate", "evaluationTokens"])

/** Settings of a replica's local steps. */
export const innerFields = Struct.omit(fields, [
  "epochs",
  "steps",
  "emaSteps",
  "averageLast",
  "evaluateEvery",
  "patience",
  "distill",
  "sampleEvery",
  "prompts",
  "sampleTokens",
  "sampleTemperature",
  "calibrate",
  "evaluationTokens"
])

const InnerConfig = Schema.Struct(innerFields)
export type InnerConfig = typeof InnerConfig.Type

/** Settings of a replica that say how to work and not what to make. */
export const innerExcluded = ["checkpointEvery", "keepLast"] as const

/** Settings of the outer optimizer: see `outerOptimizer.ts`. */
export const outerFields = {
  learningRate: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.7))),
  momentum: decayRate.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.9)))
}

/** How the data is divided. */
export const replicaFields = {
  replicas: positiveInt.check(Schema.isLessThanOrEqualTo(mostReplicas)),
  localSteps: positiveInt
}

const defaults = Schema.decodeSync(TrainConfig)({})

/** The settings of `train` for a replica that goes on to a step. */
export const trainConfigOf = (config: InnerConfig, steps: number): TrainConfig => ({
  ...defaults,
  ...Struct.pick(config, Object.keys(innerFields) as ReadonlyArray<keyof InnerConfig>),
  steps
})

/** What a replica knows of the dataset before it trains. */
export const factsOf = (dataset: Artifact<typeof Dataset>, shard: Shard) =>
  Effect.map(
    documentsOf(dataset),
    (documents): DatasetFacts => ({
      vocabularySize: dataset.value.vocabularySize,
      trainTokens: dataset.value.train.tokens,
      validationTokens: dataset.value.validation.tokens,
      documents,
      shard
    })
  )

/** Seed of a replica's own draws, such as dropout. The order of the batches is drawn from the common one. */
export const seedOf = (seed: number, replica: number): number =>
  replica === 1 ? seed : integerSeed(seed, "replica", replica)

/** Whether a replica keeps the state of its optimizer from round to round, or begins each with an empty one. */
export const innerStateField = {
  innerState: Schema.Literals(["keep", "reset"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("keep" as const))
  )
}
