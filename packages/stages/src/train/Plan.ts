/** What a training run will do, from its settings and the facts of its dataset. */
import { Effect, Schema } from "effect"
import type { DocumentStarts } from "../dataset/DocumentStarts.ts"
import { type Row, rowsOf, spread } from "../model/Evaluation.ts"
import { masksDocuments, positionsOf, titleOf } from "../model/families.ts"
import type { ModelConfig } from "../model/ModelConfig.ts"
import { initializationFault, type Spec } from "../model/Parameters.ts"
import * as Batches from "./Batches.ts"
import { type Context, contextsOf, lengthFault } from "./contexts.ts"
import type { Schedule } from "./Schedule.ts"
import type { TrainConfig } from "./TrainConfig.ts"
import { type Decay, decayOf } from "./WeightDecay.ts"

/** This dataset cannot make a training run with this config. */
export class TrainingImpossible extends Schema.TaggedError<TrainingImpossible>()("TrainingImpossible", {
  message: Schema.String
}) {}

/** Learning rate after the decay. */
export const finalRateOf = ({ minLearningRate, learningRate, schedule }: TrainConfig): number =>
  minLearningRate ?? (schedule === "linear" ? 0 : Number((learningRate / 10).toPrecision(12)))

/** Where the documents of the splits begin that training reads. */
export interface Documents {
  readonly train: DocumentStarts
  readonly validation: DocumentStarts
}

/** What is known of the dataset before training. */
export interface DatasetFacts {
  readonly vocabularySize: number
  readonly trainTokens: number
  readonly validationTokens: number
  readonly documents: Documents
  /** Which of the batches it reads, where other replicas read the others. */
  readonly shard?: Batches.Shard | undefined
}

/** The context length of a new model for which none is given. */
const defaultSequenceLength = 128

export interface Plan {
  readonly spec: Spec
  readonly data: Batches.Plan
  readonly batches: Batches.Batches
  /** Whether attention stays within documents while training. */
  readonly masksDocuments: boolean
  /** The windows of the validation split that an evaluation measures; without any there are no evaluations. */
  readonly evaluation: ReadonlyArray<Row>
  readonly schedule: Schedule
  /** Length of the windows by step. */
  readonly contexts: ReadonlyArray<Context>
  /** Of the matrices that AdamW updates. */
  readonly decay: Decay
  /** Of the matrices that Muon would update. */
  readonly muonDecay: Decay
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

/** Part of a linear schedule in which the rate falls, unless the settings say another. */
const defaultDecayShare = 0.4

const scheduleOf = (config: TrainConfig, steps: number): Schedule => {
  const decay = config.decaySteps ?? steps
  const warmUp = config.warmUp ?? Math.min(200, Math.floor(decay / 20))
  const falling = Math.max(1, Math.round((config.decayShare ?? defaultDecayShare) * decay))
  return {
    kind: config.schedule,
    steps,
    warmUp,
    constantUntil: config.schedule === "linear" ? Math.max(warmUp, decay - falling) : warmUp,
    decay,
    peak: config.learningRate,
    floor: finalRateOf(config)
  }
}

const figure = (value: number): string => String(Number(value.toPrecision(3)))

/** Why this model cannot be trained with short windows first, in a sentence. */
const contextRefusal = (
  { contextSchedule }: TrainConfig,
  model: ModelConfig,
  sequenceLength: number
): string | undefined =>
  contextSchedule.length === 0
    ? undefined
    : positionsOf(model) !== undefined
      ? `contextSchedule needs positions that are computed, and ${titleOf(model)} learns a vector for each: those beyond a short window would not be trained. Take contextSchedule out, or train a model with rotary positions.`
      : lengthFault(contextSchedule, sequenceLength)

/** Turns epochs into steps and settings into a schedule, or says why that cannot be. */
export const planOf = (
  config: TrainConfig,
  model: ModelConfig,
  facts: DatasetFacts,
  start?: { readonly sequenceLength: number; readonly done: Done }
): Effect.Effect<Plan, TrainingImpossible> => {
  const fail = (message: string) => Effect.fail(new TrainingImpossible({ message }))
  const { documents, trainTokens, validationTokens, vocabularySize } = facts
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
    seed: config.seed,
    documents: config.windows === "documents" ? documents.train : undefined,
    shard: facts.shard
  }
  if (config.documentMask === true && !masksDocuments(model))
    return fail(
      `documentMask is true, and the attention of ${titleOf(model)} cannot be kept within documents. Take documentMask out, or train a model of another family.`
    )
  const context = contextRefusal(config, model, sequenceLength)
  if (context !== undefined) return fail(context)
  const beginning = start === undefined ? initializationFault(spec, config.initialization) : undefined
  if (beginning !== undefined)
    return fail(
      `initialization is "${config.initialization}", and this model cannot begin so: ${beginning}. Take initialization out, or change the model.`
    )
  const batches = Batches.make(data)
  const epochs = config.epochs ?? 1
  const batchesToCome = batches.batchesIn(epochs) - Math.round(done.windows / config.batchSize)
  const stepsToCome = Math.ceil(batchesToCome / config.gradientAccumulationSteps)
  const steps = config.steps ?? (done.steps === 0 ? Math.max(1, stepsToCome) : done.steps + stepsToCome)
  if (steps <= done.steps)
    return fail(
      config.steps === undefined
        ? `The run to continue has gone through ${Number(batches.epochsAt(done.windows / config.batchSize).toFixed(2))} epochs, and epochs is ${epochs}, those included. Raise epochs, or give steps above ${done.steps}.`
        : `The run to continue has done ${done.steps} steps, and steps is ${steps}, those included. Give steps above ${done.steps}.`
    )
  const schedule = scheduleOf(config, steps)
  const stepsPerEpoch = batches.rowsPerEpoch / (config.batchSize * config.gradientAccumulationSteps)
  const { learningRate, muon, weightDecay } = config
  const decay = decayOf(weightDecay, learningRate, stepsPerEpoch)
  const muonDecay = decayOf(muon.weightDecay ?? weightDecay, muon.learningRate, stepsPerEpoch)
  for (const { epochs, steps } of [decay, ...(config.optimizer === "muon" ? [muonDecay] : [])])
    if (steps < 1)
      return fail(
        `weightDecay has a time scale of ${figure(steps)} steps here (${figure(epochs)} epochs, of ${figure(stepsPerEpoch)} steps each), and weights cannot decay within less than one. Raise timescaleEpochs, or lower the decay, the learning rate or batchSize.`
      )
  return Effect.succeed({
    spec,
    data,
    batches,
    masksDocuments: (config.documentMask ?? config.windows === "documents") && masksDocuments(model),
    evaluation: spread(
      rowsOf(documents.validation, validationTokens, sequenceLength),
      config.evaluationTokens
    ),
    schedule,
    contexts: contextsOf(config.contextSchedule, schedule, sequenceLength),
    decay,
    muonDecay,
    tokensPerStep: config.batchSize * config.gradientAccumulationSteps * sequenceLength
  })
}
