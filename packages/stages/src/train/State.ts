/**
 * Everything about a training run that is not a tensor: what `state.json` in a checkpoint holds. Everything that decides the next
 * step is here, as plain numbers, so that a resumed run is the same run.
 */
import { Effect, Schema } from "effect"

const temperature = Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1)))

export const State = Schema.Struct({
  version: Schema.Literal(1),
  /** Optimizer steps done. */
  step: Schema.Int,
  /** The batch of step n is batch n - 1 + shift: it grows when a rollback moves the data order on. */
  shift: Schema.Int,
  /** Last step whose evaluation is done. */
  evaluatedStep: Schema.Int,
  /** Last step at which the average of the weights was updated. */
  averagedStep: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
  /** How often it was. */
  averagedWeights: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
  /** By which the logits were divided in the last evaluation. */
  temperature,
  best: Schema.NullOr(Schema.Struct({ step: Schema.Int, loss: Schema.Finite, temperature })),
  /** Evaluations since the best one: what patience counts. */
  evaluationsSinceBest: Schema.Int,
  validationLoss: Schema.NullOr(Schema.Finite),
  trainLoss: Schema.NullOr(Schema.Finite),
  gradientNorm: Schema.NullOr(Schema.Finite),
  /** Running mean and variance of the training loss, and over how many steps. */
  lossStatistics: Schema.Struct({ mean: Schema.Finite, variance: Schema.Finite, steps: Schema.Int }),
  /** Updates skipped and rollbacks made so far. */
  faults: Schema.Int,
  /** Null while training goes on. */
  stopped: Schema.NullOr(Schema.Literals(["finished", "patience"])),
  /** Seconds spent training, over all attempts. */
  seconds: Schema.Finite
})
export type State = typeof State.Type

export const initial: State = {
  version: 1,
  step: 0,
  shift: 0,
  evaluatedStep: 0,
  averagedStep: 0,
  averagedWeights: 0,
  temperature: 1,
  best: null,
  evaluationsSinceBest: 0,
  validationLoss: null,
  trainLoss: null,
  gradientNorm: null,
  lossStatistics: { mean: 0, variance: 0, steps: 0 },
  faults: 0,
  stopped: null,
  seconds: 0
}

/** What made a checkpoint: a checkpoint with another dataset or other settings belongs to another run. */
export const Origin = Schema.Struct({
  /** Cache key of the dataset. */
  dataset: Schema.String,
  /** Cache key of the run or the model that training began from, where it began from one. */
  from: Schema.optionalKey(Schema.String),
  /** Cache key of the teacher, where there is one. */
  teacher: Schema.optionalKey(Schema.String),
  engine: Schema.String,
  precision: Schema.String,
  threads: Schema.Int,
  /** The settings that decide the result. */
  config: Schema.Unknown
})
export type Origin = typeof Origin.Type

/** The whole of `state.json`. */
export const StateFile = Schema.fromJsonString(Schema.Struct({ state: State, origin: Origin }))
