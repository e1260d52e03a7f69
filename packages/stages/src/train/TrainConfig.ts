/** What a pipeline may say about training, and the plan that follows from it. */
import type { Node } from "@trainyard/core/Stage"
import { Effect, Schema } from "effect"
import type { Model } from "../generate/ModelArtifact.ts"
import { GptConfig, type GptShape } from "../model/Gpt.ts"
import { faultOf, type Spec } from "../model/Parameters.ts"
import * as Batches from "./Batches.ts"
import type { Schedule } from "./Schedule.ts"
import type { TrainedRun } from "./TrainedRun.ts"

const positiveInt = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))
const wholeNumber = Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))
const positive = Schema.Finite.pipe(Schema.check(Schema.isGreaterThan(0)))
const notNegative = Schema.Finite.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))
const share = notNegative.pipe(Schema.check(Schema.isLessThan(1)))

/** What to do about a fault in the numbers. Each says what it did as an event. */
export const FaultPolicy = Schema.Struct({
  /**
   * A loss or a gradient norm that is not finite: stop and name the batch's documents; skip the update and go on; or go back to
   * the last checkpoint made by `checkpointEvery.steps` (by `evaluateEvery` where that is not given) and go on with the data that
   * follows the bad batch.
   */
  notFinite: Schema.Literals(["stop", "skip", "rollback"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("stop" as const))
  ),
  /** A loss far above its running mean. */
  spike: Schema.Literals(["ignore", "stop", "skip", "rollback"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("ignore" as const))
  ),
  /** How many standard deviations above the running mean make a spike. */
  spikeDeviations: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(8))),
  /** Steps before spikes are looked for, since the first losses fall fast. */
  spikeAfter: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(50))),
  /** Skips and rollbacks allowed in one run; one more stops it. */
  limit: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(10))),
  /** Times that a failed engine is opened again without a new checkpoint in between. */
  engineRestarts: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(3))),
  /** A step that takes this long, and 20 times as long as any before it, counts as a hanging engine. */
  hangSeconds: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(120)))
})
export type FaultPolicy = typeof FaultPolicy.Type

/** Fields of the train stage's config. */
export const fields = {
  /** The model's shape. Left out where training starts `from` a run or a model, which has one; what is given must then be the same but for `dropout`. */
  model: Schema.optionalKey(GptConfig),
  /**
   * Passes through the training split, including those of the run that this one continues. Give this or `steps`; one epoch when neither is
   * given.
   */
  epochs: Schema.optionalKey(positive),
  /** Optimizer steps, including those of the run that this one continues. */
  steps: Schema.optionalKey(positiveInt),
  /**
   * The model's context length in tokens, published as `n_positions`: training cuts the splits into windows of this length. Where it is
   * left out, a run or a model that training starts `from` keeps its own; a new model has 128. A run's cannot be changed; a model's can be
   * shortened.
   */
  sequenceLength: Schema.optionalKey(positiveInt),
  /** Windows of `sequenceLength` tokens in a batch. */
  batchSize: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(8))),
  /** Batches whose gradients make one step. */
  gradientAccumulationSteps: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  /** Learning rate at its peak. */
  learningRate: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1e-3))),
  /** Steps of linear warm-up; a twentieth of `decaySteps`, at most 200, when not given. */
  warmUp: Schema.optionalKey(wholeNumber),
  /**
   * Step at which the cosine ends; the last step when not given. A run that another will go on from is given the steps of both here, so
   * that together they are one schedule.
   */
  decaySteps: Schema.optionalKey(positiveInt),
  /** Learning rate at the end of the cosine and after it; a tenth of the peak when not given. */
  minLearningRate: Schema.optionalKey(notNegative),
  /** Decoupled decay of matrices. */
  weightDecay: notNegative.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.1))),
  beta1: share.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.9))),
  beta2: share.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.99))),
  epsilon: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1e-8))),
  /** Gradient clipping: the largest global norm of the gradients; 0 does not clip. */
  gradientClip: notNegative.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  /**
   * Steps over which an exponential moving average (EMA) of the weights is taken, which is then evaluated, sampled and published in place
   * of the last weights; 0 for none. Helps most where steps are noisy: small batches, few tokens, a high learning rate.
   */
  emaSteps: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
  /**
   * Temperature scaling: whether each evaluation also fits one number, by which all logits are divided, on part of the validation split. For
   * models that see little text many times and become too confident. It is published as part of the final norm.
   */
  calibrate: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))),
  /** Steps between evaluations on the validation split; the end of training always has one. */
  evaluateEvery: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(200))),
  /** Tokens of the validation split that an evaluation measures, evenly spread: all when there are no more. */
  evaluationTokens: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(50_000))),
  /** Evaluations without a new best after which training ends; never when not given. */
  patience: Schema.optionalKey(positiveInt),
  /** Steps between samples; 0 for none. */
  sampleEvery: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
  /** What the samples begin with. */
  prompts: Schema.Array(Schema.String).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(["int main", "struct", "#include", "void function"]))
  ),
  sampleTokens: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(48))),
  sampleTemperature: notNegative.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.8))),
  /** When to save: every so many steps, every so many seconds, whichever comes first. A new best is always saved. */
  checkpointEvery: Schema.Struct({
    steps: Schema.optionalKey(positiveInt),
    seconds: Schema.optionalKey(positive)
  }).pipe(Schema.withDecodingDefaultKey(Effect.succeed({ steps: 500, seconds: 60 }))),
  /** Checkpoints kept beside the best one. */
  keepLast: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(2))),
  /** Decides initial weights, batch order and dropout. */
  seed: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  faults: FaultPolicy.pipe(Schema.withDecodingDefaultKey(Effect.succeed({})))
} as const

/** Keys that say how to work and not what to make. */
export const excludeFromCacheKey = [
  "sampleEvery",
  "prompts",
  "sampleTokens",
  "sampleTemperature",
  "checkpointEvery",
  "keepLast"
] as const

export const TrainConfig = Schema.Struct(fields)
export type TrainConfig = typeof TrainConfig.Type

/** This dataset cannot make a training run with this config. */
export class TrainingImpossible extends Schema.TaggedError<TrainingImpossible>()("TrainingImpossible", {
  message: Schema.String
}) {}

const finalRateOf = ({ minLearningRate, learningRate }: TrainConfig): number =>
  minLearningRate ?? Number((learningRate / 10).toPrecision(12))

/** What a pipeline must give, beyond what has no default: the model's shape, or something that has one. */
export type ModelOrStart =
  | { readonly model: GptShape }
  | { readonly from: Node<typeof TrainedRun | typeof Model> }

export const missingModel =
  "model is missing: give model, such as Gpt.tiny, or start from a run or a model with from."

/** Why settings that each fit make no training together, in a sentence; undefined when they do. */
export const validateConfig = (
  config: TrainConfig,
  given: { readonly from: boolean }
): string | undefined => {
  const { decaySteps, epochs, learningRate, model, steps, warmUp } = config
  if (model === undefined && !given.from) return missingModel
  const fault = model === undefined ? undefined : faultOf(model)
  if (fault !== undefined) return `The model cannot be built: ${fault}.`
  if (epochs !== undefined && steps !== undefined)
    return `epochs (${epochs}) and steps (${steps}) are both given. Keep the one that you mean, and take the other out of the pipeline.`
  if (decaySteps !== undefined && warmUp !== undefined && decaySteps <= warmUp)
    return `decaySteps (${decaySteps}) is not after warmUp (${warmUp}), so the rate would have no step to fall in. Raise decaySteps or lower warmUp.`
  const floor = finalRateOf(config)
  return floor > learningRate
    ? `minLearningRate (${floor}) is above learningRate (${learningRate}), and the rate falls from the one to the other.`
    : undefined
}

/** What is known of the dataset before training. */
export interface DatasetFacts {
  readonly vocabularySize: number
  readonly trainTokens: number
  readonly validationTokens: number
}

/** The context length of a new model for which none is given. */
const defaultSequenceLength = 128

export interface Plan {
  readonly spec: Spec
  readonly data: Batches.Plan
  readonly schedule: Schedule
  /** Tokens predicted in one optimizer step. */
  readonly tokensPerStep: number
}

/** Training that is already behind a run when it begins. */
export interface Done {
  /** Optimizer steps. */
  readonly steps: number
  /** Windows of this training split that they went through. */
  readonly windows: number
}

/** Turns epochs into steps and settings into a schedule, or says why that cannot be. */
export const planOf = (
  config: TrainConfig,
  model: GptConfig,
  facts: DatasetFacts,
  start?: { readonly sequenceLength: number; readonly done: Done }
): Effect.Effect<Plan, TrainingImpossible> => {
  const fail = (message: string) => Effect.fail(new TrainingImpossible({ message }))
  const { trainTokens, validationTokens, vocabularySize } = facts
  const done = start?.done ?? { steps: 0, windows: 0 }
  const sequenceLength = start?.sequenceLength ?? config.sequenceLength ?? defaultSequenceLength
  const spec: Spec = { model, vocabularySize, sequenceLength }
  // A window of n tokens has n targets, shifted by one: it takes n + 1 tokens.
  const longest = Math.min(trainTokens, validationTokens) - 1
  if (sequenceLength > longest) {
    const split = trainTokens < validationTokens ? "training" : "validation"
    return fail(
      longest < 1
        ? `The ${split} split has ${longest + 1} tokens, and a prediction takes two. Collect more documents.`
        : `sequenceLength ${sequenceLength} is too long for the ${split} split of ${longest + 1} tokens. Set sequenceLength to ${longest} or less, change validationShare or testShare of the dataset, or collect more text.`
    )
  }
  const data: Batches.Plan = {
    tokens: trainTokens,
    sequenceLength,
    batchSize: config.batchSize,
    seed: config.seed
  }
  const epochs = config.epochs ?? 1
  const batchesToCome = Batches.batchesIn(data, epochs) - Math.round(done.windows / config.batchSize)
  const stepsToCome = Math.ceil(batchesToCome / config.gradientAccumulationSteps)
  const steps = config.steps ?? (done.steps === 0 ? Math.max(1, stepsToCome) : done.steps + stepsToCome)
  if (steps <= done.steps)
    return fail(
      config.steps === undefined
        ? `The run to continue has gone through ${Number((done.windows / Batches.windowsPerEpoch(data)).toFixed(2))} epochs, and epochs is ${epochs}, those included. Raise epochs, or give steps above ${done.steps}.`
        : `The run to continue has done ${done.steps} steps, and steps is ${steps}, those included. Give steps above ${done.steps}.`
    )
  const decay = config.decaySteps ?? steps
  const warmUp = config.warmUp ?? Math.min(200, Math.floor(decay / 20))
  return Effect.succeed({
    spec,
    data,
    schedule: { steps, warmUp, decay, peak: config.learningRate, floor: finalRateOf(config) },
    tokensPerStep: config.batchSize * config.gradientAccumulationSteps * sequenceLength
  })
}
