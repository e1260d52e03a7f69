/**
 * The train stage: teaches a transformer the dataset. It survives: killed at any moment it goes on from its newest whole
 * checkpoint, as if nothing had happened.
 */
import { join } from "node:path"
import { Backend, EngineFailure } from "@trainyard/backends/Backend"
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import { Effect, FileSystem, Schema } from "effect"
import { Dataset } from "../dataset/Dataset.ts"
import { OpenTokens } from "../dataset/Tokens.ts"
import { codecOf } from "../generate/Completion.ts"
import { Model } from "../generate/ModelArtifact.ts"
import { parameterCount, parameters } from "../model/Parameters.ts"
import * as Tokenizer from "../tokenize/Tokenizer.ts"
import { adviceOf } from "./advice.ts"
import * as Checkpoints from "./Checkpoints.ts"
import * as Curve from "./Curve.ts"
import * as DiskTensors from "./DiskTensors.ts"
import * as Loop from "./Loop.ts"
import { factsOf, publish } from "./publish.ts"
import { restore } from "./Restore.ts"
import * as Start from "./Start.ts"
import { initial, type Origin, type State } from "./State.ts"
import {
  type DatasetFacts,
  excludeFromCacheKey,
  fields,
  type ModelOrStart,
  missingModel,
  planOf,
  TrainConfig,
  TrainingImpossible,
  validateConfig
} from "./TrainConfig.ts"
import { TrainedRun } from "./TrainedRun.ts"
import * as Trainer from "./Trainer.ts"

const encodeConfig = Schema.encodeSync(TrainConfig)

/** The settings that decide the result, as JSON. */
const decisive = (config: TrainConfig): unknown =>
  Object.fromEntries(
    Object.entries(encodeConfig(config)).filter(
      ([key]) => !(excludeFromCacheKey as ReadonlyArray<string>).includes(key)
    )
  )

/** Where an attempt begins: at a checkpoint, at one with its state moved on by a rollback, or at the beginning. */
interface Beginning {
  readonly state: State
  /** What to load; without them training begins with drawn weights, or with those of a model. */
  readonly tensors: Trainer.Tensors | undefined
  readonly curve: Uint8Array | undefined
}

const stage = Stage.make({
  name: "train",
  version: 1,
  source: import.meta.url,
  inputs: {
    dataset: Dataset,
    /** What to start from: a run, which is gone on with, or a model, whose weights are trained further. */
    from: Stage.optional(TrainedRun, Model)
  },
  config: fields,
  validateConfig,
  excludeFromCacheKey: [...excludeFromCacheKey],
  output: TrainedRun,
  usesBackend: true,
  run: Effect.fn("train")(function* ({ config, inputs, output, scratch }) {
    const { dataset, from } = inputs
    const backend = yield* Backend
    const journal = yield* Journal
    const fileSystem = yield* FileSystem.FileSystem
    const openTokens = yield* OpenTokens
    const opened = from === undefined ? undefined : yield* Start.open(from, dataset, config)
    const shape = opened?.model ?? config.model
    if (shape === undefined) return yield* new TrainingImpossible({ message: missingModel })
    const facts: DatasetFacts = {
      vocabularySize: dataset.value.vocabularySize,
      trainTokens: dataset.value.train.tokens,
      validationTokens: dataset.value.validation.tokens
    }
    const plan = yield* planOf(config, shape, facts, opened)
    const start = opened === undefined ? undefined : Start.settle(opened, config, plan, facts)
    const codec = codecOf(yield* Tokenizer.loadExact(dataset.directory, dataset.value.tokenizer))
    const trainTokens = yield* openTokens(join(dataset.directory, "train.bin"), dataset.value.tokenBytes)
    const validation = yield* openTokens(join(dataset.directory, "validation.bin"), dataset.value.tokenBytes)
    const size = parameterCount(plan.spec)
    const origin: Origin = {
      dataset: dataset.cacheKey,
      ...(from && { from: from.cacheKey }),
      engine: backend.engine,
      precision: backend.settings.precision,
      threads: backend.settings.threads,
      config: decisive(config)
    }
    const averages = config.emaSteps > 0
    const root = join(scratch, "checkpoints")
    const checkpoints = yield* Checkpoints.make({
      root,
      keepLast: config.keepLast,
      foreign: (checkpoint) =>
        Effect.map(restore(checkpoint, plan.spec, origin, averages), (restored) =>
          typeof restored === "string" ? restored : undefined
        )
    })
    // Parameters, two moments and the mean, float32; the last few, the best, one being written, and the two of the result. The mean
    // and the weights that it takes the place of lie on disk while training.
    yield* checkpoints.spaceFor(size * ((averages ? 16 : 12) * (config.keepLast + 4) + (averages ? 8 : 0)))
    yield* journal.publish({ type: "Facts", facts: factsOf(plan, config, size, start) })
    for (const message of start?.notes ?? []) yield* journal.publish({ type: "Note", level: "info", message })
    for (const message of [
      ...adviceOf(config, plan, start),
      ...(backend.caution === undefined ? [] : [backend.caution])
    ])
      yield* journal.publish({ type: "Note", level: "warning", message })

    const first: Beginning = {
      state: start?.state ?? initial,
      tensors: start?.isRun ? start.tensors : undefined,
      curve: start?.curve
    }

    /** Finds the newest usable checkpoint among those that `wanted` accepts, and says what it found. */
    const resume = Effect.fnUntraced(function* (wanted?: (step: number) => boolean) {
      const { checkpoint, skipped } = yield* checkpoints.newest(wanted)
      if (checkpoint === undefined) {
        for (const { directory, why } of skipped)
          yield* journal.publish({
            type: "Note",
            level: "warning",
            message: `Checkpoint ${directory} is passed over: ${why}. Training begins again.`
          })
        return first
      }
      const restored = yield* restore(checkpoint, plan.spec, origin, averages)
      if (typeof restored === "string") return first
      yield* journal.publish({
        type: "Resumed",
        step: checkpoint.step,
        directory: checkpoint.directory,
        skipped
      })
      return restored satisfies Beginning as Beginning
    })

    /** Trains from a beginning, on a session of its own. */
    const attempt = ({ curve, state, tensors }: Beginning) =>
      Effect.scoped(
        Effect.gen(function* () {
          const shelf = DiskTensors.make(root, parameters(plan.spec))
          const trainer = yield* Trainer.make({
            spec: plan.spec,
            batchSize: config.batchSize,
            gradientAccumulationSteps: config.gradientAccumulationSteps,
            deliberate: config.faults.spike === "skip",
            weightDecay: config.weightDecay,
            beta1: config.beta1,
            beta2: config.beta2,
            epsilon: config.epsilon,
            gradientClip: config.gradientClip,
            shelves: averages ? { mean: yield* shelf, weights: yield* shelf } : undefined,
            calibrates: config.calibrate,
            seed: config.seed,
            hangSeconds: config.faults.hangSeconds
          })
          if (tensors === undefined) yield* trainer.begin(start?.tensors.parameters)
          else yield* trainer.load(tensors)
          return yield* Loop.run({
            config,
            plan,
            dataset: dataset.directory,
            train: trainTokens,
            validation,
            codec,
            endTokenId: dataset.value.endTokenId,
            trainer,
            checkpoints,
            journal,
            fileSystem,
            origin,
            curve: Curve.make(curve),
            start: state
          })
        })
      )

    /** Goes back to the last anchor and moves the data order on. */
    const rollBack = Effect.fnUntraced(function* (ended: Extract<Loop.Ended, { _tag: "Rollback" }>) {
      const rollbackPoint = yield* resume((step) => Loop.isAnchor(config, step))
      if (rollbackPoint === first)
        yield* journal.publish({
          type: "Note",
          level: "warning",
          message: `There is no checkpoint to roll back to yet, so training begins again at step ${first.state.step}, with other data. Lower checkpointEvery.steps to lose less.`
        })
      yield* checkpoints.forgetAfter(rollbackPoint.state.step)
      return {
        ...rollbackPoint,
        state: {
          ...rollbackPoint.state,
          shift: ended.nextBatch - rollbackPoint.state.step * config.gradientAccumulationSteps,
          faults: ended.faults
        }
      } satisfies Beginning as Beginning
    })

    let restarts = 0
    let savedBefore = -1
    let beginning = yield* resume()
    let finished: State | undefined
    while (finished === undefined) {
      const result = yield* Effect.result(attempt(beginning))
      if (result._tag === "Success") {
        if (result.success._tag === "Finished") finished = result.success.state
        else beginning = yield* rollBack(result.success)
        continue
      }
      const error = result.failure
      if (!(error instanceof EngineFailure) || !error.transient) return yield* error
      yield* checkpoints.settle
      if (checkpoints.savedStep() > savedBefore) restarts = 0
      savedBefore = checkpoints.savedStep()
      restarts++
      const gaveUp = restarts > config.faults.engineRestarts
      yield* journal.publish({
        type: "Fault",
        kind: "engine",
        message: error.message,
        action: gaveUp
          ? `training stops after ${config.faults.engineRestarts} restarts in a row`
          : "the engine is opened again and training goes on from the last checkpoint"
      })
      if (gaveUp) return yield* error
      beginning = yield* resume()
    }
    return yield* publish({ config, plan, dataset, checkpoints, state: finished, start, output, backend })
  })
})

/**
 * Trains a model on a dataset: `train({ dataset, model: Gpt.tiny, sequenceLength: 128, steps: 1000 })`. With `from` it goes on with a finished run,
 * `train({ dataset, from: run, steps: 2000 })`, or trains a model further, `train({ dataset, from: importModel({ folder }) })`.
 *
 * Fails with `TrainingImpossible` or `StartImpossible` when dataset, settings and start do not fit together, `TrainingStopped` at a bad step,
 * `DiskTooSmall` and `CheckpointFailed` when the disk refuses, `NotEnoughMemory`, and how the engine and the files that it reads fail.
 */
export const train = Stage.requiring<ModelOrStart>()(stage)
