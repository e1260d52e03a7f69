/** The end of data parallel training: the best and the last average as a run like any other, which `checkpoint` and `train` take. */
import { join } from "node:path"
import type { Artifact } from "@trainyard/core/Artifact"
import * as Stage from "@trainyard/core/Stage"
import { Effect, FileSystem, Schema } from "effect"
import { Dataset } from "../dataset/Dataset.ts"
import { measuredTokens, rowsOf, spread } from "../model/Evaluation.ts"
import { parameterCount } from "../model/Parameters.ts"
import * as CheckpointFolder from "../train/CheckpointFolder.ts"
import * as Documents from "../train/Documents.ts"
import { planOf } from "../train/Plan.ts"
import { learningOf } from "../train/publish.ts"
import { type Origin, type State, StateFile } from "../train/State.ts"
import { TrainedRun } from "../train/TrainedRun.ts"
import { decisive } from "../train/train.ts"
import { AveragedWeights, bestFile, curveFile, parametersFile } from "./AveragedWeights.ts"
import { optimizerFile, ReplicaRound } from "./ReplicaRound.ts"
import {
  evaluationFields,
  factsOf,
  innerExcluded,
  innerFields,
  outerFields,
  replicaFields,
  trainConfigOf
} from "./settings.ts"
import * as Weights from "./weights.ts"

type Average = Artifact<typeof AveragedWeights>
type Round = Artifact<typeof ReplicaRound>

const encodeState = Schema.encodeSync(StateFile)

/** The state of the whole after its last round, from which `train` can go on where the replicas ended. */
const stateOf = (average: Average, first: Round, replicas: number, batchesPerStep: number): State => {
  const { best, seconds, steps, temperature, validationLoss } = average.value
  const { state } = first.value
  return {
    ...state,
    // All replicas' batches are behind it.
    shift: (replicas - 1) * steps * batchesPerStep + replicas * state.shift,
    evaluatedStep: steps,
    best: best === null ? null : { step: best.step, loss: best.loss, temperature: best.temperature },
    temperature,
    validationLoss,
    stopped: "finished",
    seconds
  }
}

/** Writes `best/`, `last/`, the curve and the tokenizer. */
const writeFiles = Effect.fnUntraced(function* (
  { dataset, average, first }: { dataset: Artifact<typeof Dataset>; average: Average; first: Round },
  state: State,
  origin: Origin,
  output: string
) {
  const fs = yield* FileSystem.FileSystem
  const stored = (directory: string, file: string) =>
    Effect.map(fs.stat(join(directory, file)), ({ size }) => ({
      path: join(directory, file),
      byteLength: Number(size)
    }))
  const write = Effect.fnUntraced(function* (name: string, step: number, weights: string) {
    const optimizer = join(first.directory, optimizerFile)
    // A state of an optimizer belongs to the last weights alone.
    const isKept = weights === parametersFile && (yield* fs.exists(optimizer))
    yield* CheckpointFolder.write(join(output, name), step, [
      { name: parametersFile, pieces: [yield* stored(average.directory, weights)] },
      ...(isKept ? [{ name: optimizerFile, pieces: [yield* stored(first.directory, optimizerFile)] }] : []),
      { name: curveFile, pieces: [yield* stored(average.directory, curveFile)] },
      { name: "state.json", pieces: [Buffer.from(encodeState({ state: { ...state, step }, origin }))] }
    ])
  })
  const hasEarlier = yield* fs.exists(join(average.directory, bestFile))
  yield* write("last", state.step, parametersFile)
  yield* write("best", state.best?.step ?? state.step, hasEarlier ? bestFile : parametersFile)
  yield* fs.copyFile(join(average.directory, curveFile), join(output, curveFile))
  for (const name of ["tokenizer.json", "tokenizer_config.json"])
    yield* fs.copyFile(join(dataset.directory, name), join(output, name))
})

export const averagedRun = Stage.make({
  name: "diloco",
  version: 1,
  source: import.meta.url,
  inputs: {
    dataset: Dataset,
    /** The last average. */
    average: AveragedWeights,
    /** The last round of the first replica, whose optimizer goes with the last weights. */
    first: ReplicaRound
  },
  config: { ...innerFields, ...evaluationFields, ...replicaFields, outer: Schema.Struct(outerFields) },
  excludeFromCacheKey: [...innerExcluded],
  output: TrainedRun,
  run: Effect.fn("diloco")(function* ({ config, inputs, output }) {
    const { average, dataset, first } = inputs
    const { localSteps, outer, replicas, ...inner } = config
    const { best, seconds, startedFrom, steps, temperature, validationLoss } = average.value
    const { engine, precision, threads } = first.value
    const settings = { ...trainConfigOf(inner, steps), calibrate: config.calibrate }
    const spec = Weights.specOf(average)
    const facts = yield* factsOf(dataset, { index: 0, of: replicas })
    const beginning = { sequenceLength: spec.sequenceLength, done: { steps: 0, windows: 0 } }
    const plan = yield* planOf(settings, spec.model, facts, beginning)
    const state = stateOf(average, first, replicas, settings.gradientAccumulationSteps)
    const origin = { dataset: dataset.cacheKey, engine, precision, threads, config: decisive(settings) }
    yield* writeFiles(inputs, state, origin, output)
    const tokensSeen = replicas * steps * plan.tokensPerStep
    const windows = rowsOf(facts.documents.validation, facts.validationTokens, spec.sequenceLength)
    return {
      tokenizer: dataset.value.tokenizer,
      ...spec,
      parameters: parameterCount(spec),
      engine,
      precision,
      threads,
      steps,
      epochs: plan.batches.epochsAt(steps * settings.gradientAccumulationSteps),
      tokensSeen,
      evaluationTokens: measuredTokens(spread(windows, config.evaluationTokens)),
      bestStep: best?.step ?? steps,
      temperature: { best: best?.temperature ?? temperature, last: temperature },
      bestValidationLoss: best?.loss ?? Number.NaN,
      lastValidationLoss: validationLoss ?? Number.NaN,
      lastTrainLoss: first.value.state.trainLoss ?? Number.NaN,
      ...(startedFrom && {
        startedFrom: { kind: "model" as const, ...startedFrom, fromScratch: false }
      }),
      stopped: "finished" as const,
      seconds,
      tokensPerSecond: seconds > 0 ? tokensSeen / seconds : 0,
      data: {
        train: dataset.value.train,
        validation: dataset.value.validation,
        ...(dataset.value.test && { test: dataset.value.test }),
        origins: yield* Documents.origins(dataset.directory)
      },
      learning: {
        ...learningOf({ config: settings, plan, teacher: undefined }),
        replicas: {
          count: replicas,
          localSteps,
          outerLearningRate: outer.learningRate,
          outerMomentum: outer.momentum
        }
      }
    }
  })
})
