/** What a pipeline may say about training, and the plan that follows from it. */
import type { Node } from "@trainyard/core/Stage"
import { Effect, Schema } from "effect"
import type { Model } from "../generate/ModelArtifact.ts"
import { ModelConfig, type ModelShape } from "../model/ModelConfig.ts"
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
   * What to do when the loss or the gradient norm is not finite. `stop` names the documents of the batch; `skip` drops the update;
   * `rollback` returns to the last checkpoint of `checkpointEvery.steps` (else the last evaluation) and continues after the bad batch.
   */
  notFinite: Schema.Literals(["stop", "skip", "rollback"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("stop" as const))
  ),
  /** What to do when the loss is far above its running mean. The policies are those of `notFinite`; `ignore` does nothing. */
  spike: Schema.Literals(["ignore", "stop", "skip", "rollback"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("ignore" as const))
  ),
  /**
   * How far above its running mean a loss is a spike.
   * @unit standard deviations
   */
  spikeDeviations: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(8))),
  /**
   * Spikes are not looked for in the first steps, in which the loss falls fast.
   * @unit steps
   */
  spikeAfter: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(50))),
  /** Skips and rollbacks allowed in one run. One more stops training. */
  limit: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(10))),
  /** How often a failed engine is opened again without a new checkpoint in between. */
  engineRestarts: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(3))),
  /**
   * A step that takes longer than this, and 20 times longer than any before it, counts as a hanging engine.
   * @unit seconds
   */
  hangSeconds: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(120)))
})
export type FaultPolicy = typeof FaultPolicy.Type

/** Fields of the train stage's config. */
export const fields = {
  /**
   * The model: `Gpt.small`, `Qwen.small`, or a family's settings. Leave it out with `from`, or give the same sizes and another `dropout`.
   * @defaultValue that of `from`
   */
  model: Schema.optionalKey(ModelConfig),
  /**
   * Passes over the training split, including those of a run given as `from`. Give `epochs` or `steps`, not both.
   * @defaultValue 1, without `steps`
   */
  epochs: Schema.optionalKey(positive),
  /**
   * Optimizer steps, including those of a run given as `from`.
   * @defaultValue from `epochs`
   * @unit steps
   */
  steps: Schema.optionalKey(positiveInt),
  /**
   * Context length of the model, published as `n_positions`: training cuts the splits into windows of this length. The context length of a
   * run given as `from` cannot be changed; that of a model can be shortened.
   * @defaultValue that of `from`; 128 for a new model
   * @unit tokens
   */
  sequenceLength: Schema.optionalKey(positiveInt),
  /**
   * Sequences of `sequenceLength` tokens in a batch.
   * @unit sequences
   */
  batchSize: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(8))),
  /**
   * Batches whose gradients are summed for one optimizer step.
   * @unit batches
   */
  gradientAccumulationSteps: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  /** Peak learning rate, reached after the warm-up. */
  learningRate: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1e-3))),
  /**
   * Steps in which the learning rate rises linearly to its peak.
   * @defaultValue `decaySteps` / 20, at most 200
   * @unit steps
   */
  warmUp: Schema.optionalKey(wholeNumber),
  /**
   * Step at which the cosine decay ends. Give two runs that continue each other the same value, so that they follow one schedule.
   * @defaultValue the last step
   * @unit steps
   */
  decaySteps: Schema.optionalKey(positiveInt),
  /**
   * Learning rate at the end of the cosine decay and after it.
   * @defaultValue `learningRate` / 10
   */
  minLearningRate: Schema.optionalKey(notNegative),
  /** Decoupled weight decay of AdamW. Applies to matrices; biases, gains and positions do not decay. */
  weightDecay: notNegative.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.1))),
  /** Decay rate of AdamW's first moment. */
  beta1: share.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.9))),
  /** Decay rate of AdamW's second moment. */
  beta2: share.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.99))),
  /** Added to the denominator of AdamW's update. */
  epsilon: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1e-8))),
  /** Gradient clipping: the largest norm of all gradients together. 0 does not clip. */
  gradientClip: notNegative.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  /**
   * Exponential moving average (EMA) of the weights over about this many steps. The average is evaluated, sampled and published in
   * place of the last weights. 0 turns it off.
   * @unit steps
   */
  emaSteps: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
  /**
   * Temperature scaling: each evaluation fits one number, by which all logits are divided, on a part of the validation split. The
   * published model includes it.
   */
  calibrate: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))),
  /**
   * Steps between evaluations on the validation split. The last step is always evaluated.
   * @unit steps
   */
  evaluateEvery: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(200))),
  /**
   * Tokens of the validation split that an evaluation measures, evenly spread.
   * @unit tokens
   */
  evaluationTokens: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(50_000))),
  /**
   * Early stopping: training ends after this many evaluations without a new best.
   * @defaultValue no early stopping
   * @unit evaluations
   */
  patience: Schema.optionalKey(positiveInt),
  /**
   * Steps between samples. 0 turns samples off.
   * @unit steps
   */
  sampleEvery: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
  /**
   * Prompts of the samples.
   * @defaultValue those of the language of most of the data set's text; the empty prompt elsewhere
   */
  prompts: Schema.optionalKey(Schema.Array(Schema.String)),
  /**
   * Length of a sample.
   * @unit tokens
   */
  sampleTokens: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(48))),
  /** Sampling temperature. 0 always takes the most likely token. */
  sampleTemperature: notNegative.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.8))),
  /** When to save a checkpoint: after so many steps or seconds, whichever comes first. A new best is always saved. */
  checkpointEvery: Schema.Struct({
    /**
     * Steps between checkpoints. A rollback returns to one of these.
     * @defaultValue not by steps
     * @unit steps
     */
    steps: Schema.optionalKey(positiveInt),
    /**
     * Time between checkpoints.
     * @defaultValue not by time
     * @unit seconds
     */
    seconds: Schema.optionalKey(positive)
  }).pipe(Schema.withDecodingDefaultKey(Effect.succeed({ steps: 500, seconds: 60 }))),
  /** Checkpoints kept beside the best one. */
  keepLast: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(2))),
  /** Seed of the initial weights, the batch order and dropout. */
  seed: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  /** What to do when something goes wrong. */
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
  | { readonly model: ModelShape }
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
  model: ModelConfig,
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
