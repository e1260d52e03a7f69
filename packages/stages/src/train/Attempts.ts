/**
 * Training to its end through faults: each attempt opens an engine and runs the loop from a checkpoint; a rollback or a transient engine
 * failure begins another.
 */
import { EngineFailure } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import { parameters } from "../model/Parameters.ts"
import { averageKind } from "./averaging.ts"
import type { Checkpoints } from "./Checkpoints.ts"
import * as Curve from "./Curve.ts"
import { lengthAt } from "./contexts.ts"
import * as DiskTensors from "./DiskTensors.ts"
import * as Loop from "./Loop.ts"
import type * as LoopRun from "./LoopRun.ts"
import { optimizersOf } from "./optimizers.ts"
import { restore } from "./Restore.ts"
import { isRollbackPoint } from "./SaveSchedule.ts"
import type { Start } from "./Start.ts"
import { initial, type State } from "./State.ts"
import type { Teacher } from "./Teacher.ts"
import * as Trainer from "./Trainer.ts"
import type { Rollback } from "./takeStep.ts"

/** What all attempts have in common. */
export interface Training extends Omit<LoopRun.Context, "trainer" | "curve" | "start"> {
  /** What training starts from, if not from drawn weights. */
  readonly from: Pick<Start, "curve" | "isRun" | "state" | "tensors"> | undefined
  /** Whose predictions are mixed into the loss, if any's. */
  readonly teacher: Teacher | undefined
  /** Folder of the checkpoints, for what is kept on disk while training. */
  readonly root: string
}

/** Where an attempt begins: at a checkpoint, at one with its state moved on by a rollback, or at the beginning of the run. */
interface Beginning {
  readonly state: State
  /** What to load; without them training begins with drawn weights, or with those of a model. */
  readonly tensors: Trainer.Tensors | undefined
  readonly curve: Uint8Array | undefined
}

/** The beginning of the run. */
const first = ({ from }: Training): Beginning => ({
  state: from?.state ?? initial,
  tensors: from?.isRun ? from.tensors : undefined,
  curve: from?.curve
})

/** The newest usable checkpoint among those that `wanted` accepts, or undefined where there is none. Publishes which it is. */
const resume = Effect.fnUntraced(function* (
  { checkpoints, config, journal, origin, plan }: Training,
  wanted?: (step: number) => boolean
) {
  const { checkpoint, skipped } = yield* checkpoints.newest(wanted)
  if (checkpoint === undefined) {
    for (const { directory, why } of skipped)
      yield* journal.publish({
        type: "Note",
        level: "warning",
        message: `Checkpoint ${directory} is skipped: ${why}. Training begins again.`
      })
    return undefined
  }
  const restored = yield* restore(checkpoint, plan.spec, origin, config)
  if (typeof restored === "string") return undefined
  yield* journal.publish({ type: "Resumed", step: checkpoint.step, directory: checkpoint.directory, skipped })
  return restored satisfies Beginning as Beginning
})

/** Goes back to the last rollback point and moves the data order on. */
const rollBack = Effect.fnUntraced(function* (training: Training, { faults, nextBatch }: Rollback) {
  const { checkpoints, config, journal } = training
  const found = yield* resume(training, (step) => isRollbackPoint(config, step))
  const beginning = found ?? first(training)
  const { state } = beginning
  if (found === undefined)
    yield* journal.publish({
      type: "Note",
      level: "warning",
      message: `There is no checkpoint to roll back to yet, so training begins again at step ${state.step}, with other data. Lower checkpointEvery.steps to lose less.`
    })
  yield* checkpoints.removeAfter(state.step)
  const shift = nextBatch - state.step * config.gradientAccumulationSteps
  return { ...beginning, state: { ...state, shift, faults } } satisfies Beginning as Beginning
})

/** Trains from a beginning, on a session of its own. */
const attempt = (training: Training, { curve, state, tensors }: Beginning) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { config, from, plan, root, teacher } = training
      const onDisk = DiskTensors.make(root, parameters(plan.spec))
      const trainer = yield* Trainer.make({
        spec: plan.spec,
        batchSize: config.batchSize,
        masksDocuments: plan.masksDocuments,
        lengths: [...new Set(plan.contexts.map(({ length }) => length))],
        firstLength: lengthAt(plan.contexts, state.step + 1),
        gradientAccumulationSteps: config.gradientAccumulationSteps,
        checkBeforeUpdate: config.faults.spike === "skip",
        optimizers: optimizersOf(config, plan),
        teacher,
        gradientClip: config.gradientClip,
        averageStorage:
          averageKind(config) === "none" ? undefined : { average: yield* onDisk, weights: yield* onDisk },
        averagesFromStart: averageKind(config) === "ema",
        calibrates: config.calibrate,
        seed: config.seed,
        initialization: config.initialization,
        hangSeconds: config.faults.hangSeconds
      })
      if (tensors === undefined) yield* trainer.begin(from?.tensors.parameters)
      else yield* trainer.load(tensors)
      return yield* Loop.run({ ...training, trainer, curve: Curve.make(curve), start: state })
    })
  )

/** Counts engine restarts without a new checkpoint in between, and says when there were too many. */
const restartsOf = (checkpoints: Checkpoints, limit: number) => {
  let restarts = 0
  let savedBefore = -1
  return {
    /** Whether one more is too many. */
    next: (): boolean => {
      if (checkpoints.savedStep() > savedBefore) restarts = 0
      savedBefore = checkpoints.savedStep()
      restarts++
      return restarts > limit
    }
  }
}

/** Trains until all steps are done or patience runs out, from the newest checkpoint of this run where there is one. Gives the last state. */
export const trainToEnd = Effect.fn("train.trainToEnd")(function* (training: Training) {
  const { checkpoints, config, journal } = training
  const { engineRestarts } = config.faults
  const restarts = restartsOf(checkpoints, engineRestarts)
  let beginning = (yield* resume(training)) ?? first(training)
  while (true) {
    const result = yield* Effect.result(attempt(training, beginning))
    if (result._tag === "Success") {
      if (result.success._tag === "Finished") return result.success.state
      beginning = yield* rollBack(training, result.success)
      continue
    }
    const error = result.failure
    if (!(error instanceof EngineFailure) || !error.transient) return yield* error
    yield* checkpoints.settle
    const gaveUp = restarts.next()
    yield* journal.publish({
      type: "Fault",
      kind: "engine",
      message: error.message,
      action: gaveUp
        ? `training stops after ${engineRestarts} restarts in a row`
        : "the engine is opened again and training goes on from the last checkpoint"
    })
    if (gaveUp) return yield* error
    beginning = (yield* resume(training)) ?? first(training)
  }
})
