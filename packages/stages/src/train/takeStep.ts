/** One optimizer step of the loop: reading its batches, the update, and what is done about a fault in its numbers. */
import { Effect, FileSystem } from "effect"
import { averageMove } from "./averaging.ts"
import { lengthAt } from "./contexts.ts"
import { inPieces } from "./Documents.ts"
import { type Fault, faultOf, listed, spikeLimit, TrainingStopped, withLoss } from "./Faults.ts"
import { epochAt, evaluatesAt, finite, type LoopRun } from "./LoopRun.ts"
import * as metrics from "./metrics.ts"
import { readBatch } from "./readBatch.ts"
import { learningRate } from "./Schedule.ts"

/** A fault after which training goes back to a checkpoint and on with the data from batch `nextBatch`. */
export interface Rollback {
  readonly _tag: "Rollback"
  readonly nextBatch: number
  readonly faults: number
  readonly fault: Fault
}

const documentsOf = ({ batches, dataset, fileSystem, plan }: LoopRun, indices: ReadonlyArray<number>) =>
  inPieces(
    dataset,
    indices.flatMap((index) => batches.rows(index).flat()),
    plan.data.tokens
  ).pipe(Effect.provideService(FileSystem.FileSystem, fileSystem))

/** Acts on a bad step: fails when training stops, gives the rollback where there is to be one, and otherwise goes on without the update. */
const handleFault = Effect.fnUntraced(function* (
  run: LoopRun,
  fault: Fault,
  step: number,
  indices: ReadonlyArray<number>
) {
  const { limit } = run.config.faults
  const { faults } = run.state
  const documents = yield* documentsOf(run, indices)
  const exhausted = fault.action !== "stop" && faults >= limit
  const why = exhausted ? `${fault.why}, after ${faults} faults before it, which is faults.limit` : fault.why
  const action = exhausted ? "stop" : fault.action
  yield* run.journal.publish({
    type: "Fault",
    kind: fault.kind,
    message: `Step ${step}: ${why}. Its batch was cut from ${listed(documents)}.`,
    action: {
      stop: "training stops",
      skip: "the update is left out and training goes on",
      rollback: "training goes back to the last scheduled checkpoint and on with the data after this batch"
    }[action]
  })
  if (action === "stop") return yield* new TrainingStopped({ step, why, documents })
  if (action === "rollback")
    return {
      _tag: "Rollback",
      nextBatch: indices[indices.length - 1]! + 1,
      faults: faults + 1,
      fault
    } satisfies Rollback as Rollback
  run.state = { ...run.state, step, faults: faults + 1, gradientNorm: null }
  return undefined
})

/** Brings the average of the weights up to date, where that is due. */
const updateAverage = Effect.fnUntraced(function* (run: LoopRun, step: number) {
  const move = averageMove(run.config, run.plan.schedule, run.state, step, evaluatesAt(run, step))
  if (move === undefined) return
  yield* run.trainer.updateAverage(move)
  run.state = { ...run.state, averagedStep: step, averagedWeights: run.state.averagedWeights + 1 }
})

/** Takes the next step. Gives a rollback where a fault asks for one; the state is then that before the step. */
export const takeStep = Effect.fnUntraced(function* (run: LoopRun) {
  const { config, plan } = run
  const { faults, gradientAccumulationSteps } = config
  const before = performance.now()
  const step = run.state.step + 1
  const rate = learningRate(plan.schedule, step)
  const first = run.state.step * gradientAccumulationSteps + run.state.shift
  const indices = Array.from({ length: gradientAccumulationSteps }, (_, index) => first + index)
  const length = lengthAt(plan.contexts, step)
  const batches = yield* Effect.forEach(indices, (index) => readBatch(run, index, length))
  const limit = spikeLimit(faults, run.state.lossStatistics)
  const result = yield* run.trainer.step(
    { batches, length },
    step,
    rate,
    (loss) => !Number.isFinite(loss) || (faults.spike === "skip" && loss > limit)
  )
  const milliseconds = performance.now() - before
  const gradientNorm = result.gradientNorm === undefined ? null : finite(result.gradientNorm)
  const fault = faultOf(faults, run.state.lossStatistics, result)
  if (fault !== undefined) {
    const rollback = yield* handleFault(run, fault, step, indices)
    if (rollback !== undefined) return rollback
  } else {
    const lossStatistics = withLoss(run.state.lossStatistics, result.loss)
    run.state = { ...run.state, step, trainLoss: result.loss, gradientNorm, lossStatistics }
  }
  yield* updateAverage(run, step)
  run.saves.stateChanged()
  run.curve.add({ step, loss: finite(result.loss), learningRate: rate, gradientNorm })
  const figures = run.meter.tick({
    step,
    epoch: epochAt(run, step),
    loss: result.loss,
    learningRate: rate,
    gradientNorm,
    milliseconds,
    now: performance.now()
  })
  if (figures !== undefined) yield* Effect.forEach(metrics.step(figures), run.journal.publish)
  return undefined
})
