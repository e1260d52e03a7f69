/**
 * What training starts from where it does not start with drawn weights.
 *
 * A trained run: its last state, with optimizer, step counter and place in the data, so that both runs together are the run that was never
 * ended. A model: its weights alone; everything else begins anew.
 */
import { join } from "node:path"
import { Backend } from "@trainyard/backends/Backend"
import type { Artifact } from "@trainyard/core/Artifact"
import { Effect, Option, Schema } from "effect"
import type { Dataset } from "../dataset/Dataset.ts"
import { load } from "../generate/Model.ts"
import { Model } from "../generate/ModelArtifact.ts"
import { measuredTokens } from "../model/Evaluation.ts"
import { positionsOf, sizesOf } from "../model/families.ts"
import type { ModelConfig } from "../model/ModelConfig.ts"
import { parameters, type Spec } from "../model/Parameters.ts"
import type { SafetensorsError, Source } from "../tensors/Safetensors.ts"
import { averageKind } from "./averaging.ts"
import * as CheckpointFolder from "./CheckpointFolder.ts"
import { rate } from "./figures.ts"
import type { Done, Plan } from "./Plan.ts"
import { contentsOf } from "./Restore.ts"
import { learningRate } from "./Schedule.ts"
import { StartImpossible } from "./StartImpossible.ts"
import { initial, type State } from "./State.ts"
import type { TrainConfig } from "./TrainConfig.ts"
import { averageFile, CurvePoint, type TrainedRun } from "./TrainedRun.ts"
import type { Tensors } from "./Trainer.ts"

export interface Start {
  readonly from: Artifact<typeof TrainedRun> | Artifact<typeof Model>
  readonly model: ModelConfig
  readonly sequenceLength: number
  /** Steps and windows that are behind it. */
  readonly done: Done
  /** What the epochs and tokens of the whole begin at. */
  readonly epochs: number
  readonly tokensSeen: number
  readonly state: State
  readonly curve: Uint8Array
  /** Everything of a run's last state, or a model's weights. */
  readonly tensors: Tensors
  readonly isRun: boolean
  /** Where the best state so far lies, if its loss may be compared with those to come. */
  readonly best: string | undefined
  /** Sentences on what is not as a user might think. */
  readonly notes: ReadonlyArray<string>
}

const impossible = (message: string) => new StartImpossible({ message })

/** The shape to train: that of the start, with the settings' own dropout where they give a model. */
const shapeOf = (what: string, model: ModelConfig, config: TrainConfig) => {
  if (config.model === undefined) return Effect.succeed(model)
  return sizesOf(config.model) === sizesOf(model)
    ? Effect.succeed(config.model)
    : Effect.fail(
        impossible(
          `The setting model (${sizesOf(config.model)}) is not that of the ${what} to start from (${sizesOf(model)}). Leave model out, or give the same sizes.`
        )
      )
}

const checkVocabulary = (what: string, vocabularySize: number, dataset: Artifact<typeof Dataset>) =>
  vocabularySize === dataset.value.vocabularySize
    ? Effect.void
    : Effect.fail(
        impossible(
          `The ${what} to start from has a vocabulary of ${vocabularySize} and the dataset one of ${dataset.value.vocabularySize}. Build the dataset with the ${what}'s own tokenizer.`
        )
      )

const otherTokenizer = (what: string) =>
  impossible(
    `The ${what} to start from and the dataset have different tokenizers: the same token ids mean other text. Build the dataset with the ${what}'s own tokenizer.`
  )

/** The end of a run. */
const fromRun = Effect.fn("Start.fromRun")(function* (
  from: Artifact<typeof TrainedRun>,
  dataset: Artifact<typeof Dataset>,
  config: TrainConfig
) {
  const { value } = from
  const backend = yield* Backend
  const model = yield* shapeOf("run", value.model, config)
  yield* checkVocabulary("run", value.vocabularySize, dataset)
  const { sequenceLength = value.sequenceLength } = config
  if (sequenceLength !== value.sequenceLength)
    return yield* impossible(
      `sequenceLength is ${sequenceLength}, and the run to continue was trained with ${value.sequenceLength}. Leave sequenceLength out, or publish the run with checkpoint and start from that model, whose context can be shortened.`
    )
  if (value.learning.optimizer !== config.optimizer)
    return yield* impossible(
      `optimizer is "${config.optimizer}", and the run to continue was trained with "${value.learning.optimizer}", whose state does not fit. Set optimizer to "${value.learning.optimizer}", or publish the run with checkpoint and start from that model.`
    )
  const checkpoint = yield* CheckpointFolder.read(join(from.directory, "last"))
  const spec: Spec = { model, vocabularySize: value.vocabularySize, sequenceLength }
  const { curve, origin, state, tensors } = yield* contentsOf(
    checkpoint,
    spec,
    value.learning.optimizer,
    () => checkpoint.files.has(averageFile)
  ).pipe(
    Effect.mapError(({ why }) =>
      impossible(`The last state of the run at ${from.directory} cannot be continued: ${why}.`)
    )
  )
  const isSameData = origin.dataset === dataset.cacheKey
  if (value.tokenizer !== dataset.value.tokenizer) return yield* otherTokenizer("run")
  const { gradientAccumulationSteps, batchSize } = value.learning
  const windows = isSameData ? state.step * gradientAccumulationSteps * batchSize : 0
  // The same place in the data, in batches of the size that they have now; the first batch of other data.
  const batches = isSameData
    ? Math.round(((state.step * gradientAccumulationSteps + state.shift) * batchSize) / config.batchSize)
    : 0
  const hasSameAverage = averageKind(value.learning) === averageKind(config)
  const isComparable = isSameData && hasSameAverage
  return {
    from,
    model,
    sequenceLength,
    done: { steps: state.step, windows },
    epochs: isSameData ? value.epochs : 0,
    tokensSeen: value.tokensSeen,
    state: {
      ...state,
      shift: batches - state.step * config.gradientAccumulationSteps,
      stopped: null,
      // A run that ended because patience ran out would end again at once.
      evaluationsSinceBest: state.stopped === "patience" || !isComparable ? 0 : state.evaluationsSinceBest,
      averagedStep: hasSameAverage ? state.averagedStep : state.step,
      averagedWeights: hasSameAverage ? state.averagedWeights : 0,
      ...(isComparable ? {} : { best: null }),
      ...(isSameData ? {} : { lossStatistics: initial.lossStatistics })
    },
    curve,
    tensors: hasSameAverage ? tensors : { ...tensors, average: [] },
    isRun: true,
    best: isComparable ? join(from.directory, "best") : undefined,
    notes: [
      ...(isSameData
        ? []
        : [
            "The dataset is not the one that the run to continue was trained on, so training begins at its first batch and its losses are not compared with the run's."
          ]),
      ...(tensors.average.length > 0 && !hasSameAverage
        ? [
            "The run to continue published an average of its weights, of a kind that these settings do not ask for, so training continues from the weights themselves. Set emaSteps and averageLast as they were there to keep the average."
          ]
        : []),
      ...(value.engine === backend.engine && value.precision === backend.settings.precision
        ? []
        : [
            `The run to continue was trained on ${value.engine} in ${value.precision} and continues on ${backend.engine} in ${backend.settings.precision}, so the result is not that of one run on either.`
          ])
    ]
  } satisfies Start as Start
})

const firstRows = (source: Source<SafetensorsError>, rows: number): Source<SafetensorsError> => {
  const columns = source.shape[1]!
  return {
    name: source.name,
    shape: [rows, columns],
    read: Effect.map(source.read, (values) => values.slice(0, rows * columns))
  }
}

/** The weights of a published model. */
export const fromModel = Effect.fn("Start.fromModel")(function* (
  from: Artifact<typeof Model>,
  dataset: Artifact<typeof Dataset>,
  config: TrainConfig
) {
  const loaded = yield* load(from.directory)
  const positions = loaded.spec.sequenceLength
  const { sequenceLength = positions } = config
  // The artifact's config, not config.json's: a model without biases is published with zeros in their place, which stay out of it.
  const model = yield* shapeOf("model", from.value.model, config)
  yield* checkVocabulary("model", loaded.spec.vocabularySize, dataset)
  if (loaded.tokenizer !== dataset.value.tokenizer) return yield* otherTokenizer("model")
  // Learned positions: a row of a table for each.
  const table = positionsOf(model)
  if (sequenceLength > positions && table !== undefined)
    return yield* impossible(
      `sequenceLength is ${sequenceLength}, and the model to start from has ${positions} positions. Set sequenceLength to ${positions} or less, or leave it out for ${positions}.`
    )
  const wanted = new Set(parameters({ ...loaded.spec, model }).map((parameter) => parameter.name))
  return {
    from,
    model,
    sequenceLength,
    done: { steps: 0, windows: 0 },
    epochs: 0,
    tokensSeen: 0,
    state: initial,
    curve: new Uint8Array(),
    tensors: {
      parameters: loaded.parameters
        .filter((source) => wanted.has(source.name))
        .map((source) => (source.name === table ? firstRows(source, sequenceLength) : source)),
      optimizer: [],
      average: []
    },
    isRun: false,
    best: undefined,
    notes:
      table !== undefined && sequenceLength < positions
        ? [
            `The model to start from has ${positions} positions and sequenceLength is ${sequenceLength}: the trained model keeps the first ${sequenceLength}. Leave sequenceLength out to keep all.`
          ]
        : []
  } satisfies Start as Start
})

const decodePoint = Schema.decodeUnknownOption(Schema.fromJsonString(CurvePoint))

/** The learning rate of a run's last step. */
const lastRate = (curve: Uint8Array): number | undefined => {
  const text = Buffer.from(curve.buffer, curve.byteOffset, curve.byteLength)
    .subarray(-4096)
    .toString("latin1")
  return Option.getOrUndefined(decodePoint(text.trimEnd().split("\n").at(-1)))?.learningRate
}

/** The start with a note where this schedule is not the run's, and without the run's best state where evaluations measure something else. */
export const settle = (start: Start, config: TrainConfig, plan: Plan): Start => {
  if (start.from.kind === Model.name) return start
  const { schedule } = plan
  const { steps } = start.done
  const ended = lastRate(start.curve)
  const notes = [...start.notes]
  if (ended !== undefined && Math.abs(ended - learningRate(schedule, steps)) > 1e-9 * ended)
    notes.push(
      `The run to continue ended at a learning rate of ${rate(ended)} and goes on at ${rate(learningRate(schedule, steps + 1))}, which its step ${steps + 1} has in this run's schedule. Both are one schedule where the first run is given decaySteps: ${schedule.decay}, and both the same learningRate, minLearningRate, warmUp, schedule and decayShare.`
    )
  const before = start.from.value
  const averaged = before.learning
  if (config.windows !== averaged.windows)
    notes.push(
      `The run to continue cut its training split as windows: "${averaged.windows}" and this one as "${config.windows}", so training goes on after as many rows of another order.`
    )
  const restarts =
    start.state.averagedWeights > 0 &&
    averageKind(config) === "last" &&
    (averaged.averageLast !== config.averageLast || averaged.decaySteps !== schedule.decay)
  if (restarts)
    notes.push(
      `The run to continue averaged its weights over other steps (averageLast ${averaged.averageLast} of decaySteps ${averaged.decaySteps}), so the average begins again.`
    )
  const settled: Start = restarts
    ? {
        ...start,
        notes,
        tensors: { ...start.tensors, average: [] },
        state: { ...start.state, averagedWeights: 0 }
      }
    : { ...start, notes }
  const now = measuredTokens(plan.evaluation)
  if (now === before.evaluationTokens || start.best === undefined) return settled
  return {
    ...settled,
    best: undefined,
    state: { ...settled.state, best: null, evaluationsSinceBest: 0 },
    notes: [
      ...notes,
      `Evaluations measure ${now} tokens and those of the run to continue measured ${before.evaluationTokens}, so its best state is not compared with those to come. Give the same evaluationTokens to compare them.`
    ]
  }
}

/**
 * Opens what training is to start from.
 *
 * Fails with `StartImpossible` when it does not fit the dataset or the settings, `BrokenCheckpoint`, `ModelUnreadable`, `SafetensorsError` or
 * `InvalidTokenizer` for damage on the disk.
 */
export const open = (
  from: Artifact<typeof TrainedRun> | Artifact<typeof Model>,
  dataset: Artifact<typeof Dataset>,
  config: TrainConfig
) => (from.kind === Model.name ? fromModel(from, dataset, config) : fromRun(from, dataset, config))
