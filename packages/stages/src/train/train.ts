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
import { parameterCount, parameters } from "../model/Parameters.ts"
import * as Tokenizer from "../tokenize/Tokenizer.ts"
import * as Checkpoints from "./Checkpoints.ts"
import * as Curve from "./Curve.ts"
import * as Loop from "./Loop.ts"
import { factsOf, publish } from "./publish.ts"
import { type Restored, restore } from "./Restore.ts"
import * as Shelf from "./Shelf.ts"
import { initial, type Origin, type State } from "./State.ts"
import { contradiction, fields, incidental, planOf, TrainConfig } from "./TrainConfig.ts"
import { TrainedRun } from "./TrainedRun.ts"
import * as Trainer from "./Trainer.ts"

const encodeConfig = Schema.encodeSync(TrainConfig)

/** The settings that decide the result, as JSON. */
const decisive = (config: TrainConfig): unknown =>
  Object.fromEntries(
    Object.entries(encodeConfig(config)).filter(
      ([key]) => !(incidental as ReadonlyArray<string>).includes(key)
    )
  )

/** Where an attempt begins: at a checkpoint, at one with its state moved on by a rollback, or at the beginning. */
interface Beginning {
  readonly state: State
  readonly restored: Restored | undefined
}

export const train = Stage.make({
  name: "train",
  version: 1,
  source: import.meta.url,
  inputs: { dataset: Dataset },
  config: fields,
  contradiction,
  incidental: [...incidental],
  output: TrainedRun,
  computes: true,
  run: Effect.fn("train")(function* ({ config, inputs, output, scratch }) {
    const { dataset } = inputs
    const backend = yield* Backend
    const journal = yield* Journal
    const fileSystem = yield* FileSystem.FileSystem
    const openTokens = yield* OpenTokens
    const plan = yield* planOf(config, {
      vocabularySize: dataset.value.vocabularySize,
      sequenceLength: dataset.value.sequenceLength,
      trainTokens: dataset.value.train.tokens,
      validationTokens: dataset.value.validation.tokens
    })
    const codec = codecOf(yield* Tokenizer.loadExact(dataset.directory, dataset.value.tokenizer))
    const trainTokens = yield* openTokens(join(dataset.directory, "train.bin"), dataset.value.tokenBytes)
    const validation = yield* openTokens(join(dataset.directory, "validation.bin"), dataset.value.tokenBytes)
    const size = parameterCount(plan.spec)
    const origin: Origin = {
      dataset: dataset.fingerprint,
      engine: backend.engine,
      precision: backend.settings.precision,
      threads: backend.settings.threads,
      config: decisive(config)
    }
    const averages = config.averageOver > 0
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
    yield* journal.publish({ type: "Facts", facts: factsOf(plan, config, size) })

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
        return { state: initial, restored: undefined } satisfies Beginning as Beginning
      }
      const restored = yield* restore(checkpoint, plan.spec, origin, averages)
      if (typeof restored === "string") return { state: initial, restored: undefined }
      yield* journal.publish({
        type: "Resumed",
        step: checkpoint.step,
        directory: checkpoint.directory,
        skipped
      })
      return { state: restored.state, restored }
    })

    /** Trains from a beginning, on a session of its own. */
    const attempt = ({ restored, state }: Beginning) =>
      Effect.scoped(
        Effect.gen(function* () {
          const shelf = Shelf.make(root, parameters(plan.spec))
          const trainer = yield* Trainer.make({
            spec: plan.spec,
            batchSize: config.batchSize,
            accumulation: config.accumulation,
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
          if (restored === undefined) yield* trainer.begin()
          else yield* trainer.load(restored.tensors)
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
            curve: Curve.make(restored?.curve),
            start: state
          })
        })
      )

    /** Goes back to the last anchor and moves the data order on. */
    const rollBack = Effect.fnUntraced(function* (ended: Extract<Loop.Ended, { _tag: "Rollback" }>) {
      const anchor = yield* resume((step) => Loop.isAnchor(config, step))
      yield* checkpoints.forgetAfter(anchor.state.step)
      return {
        restored: anchor.restored,
        state: {
          ...anchor.state,
          shift: ended.nextBatch - anchor.state.step * config.accumulation,
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
    return yield* publish({ config, plan, dataset, checkpoints, state: finished, output, backend })
  })
})
