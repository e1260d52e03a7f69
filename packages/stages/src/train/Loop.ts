/**
 * The training loop: step, evaluate, sample, save, until the planned steps are done or patience runs out. Every decision follows from one
 * `State`, so a loop that starts from a saved state goes on as if it had never stopped.
 */
import { Effect, Schema } from "effect"
import { evaluate, samples } from "./evaluate.ts"
import * as LoopRun from "./LoopRun.ts"
import { isRollbackPoint, rollbackPointBefore, rollsBack } from "./SaveSchedule.ts"
import type { Snapshot } from "./Snapshot.ts"
import { type State, StateFile } from "./State.ts"
import { averageFile } from "./TrainedRun.ts"
import { type Rollback, takeStep } from "./takeStep.ts"

/** How a loop ended: done, or asking to go back to the last rollback point and on with other data. */
export type Ended = { readonly _tag: "Finished"; readonly state: State } | Rollback

const encodeState = Schema.encodeSync(StateFile)

/** Copies everything that a checkpoint holds, as it is now. */
const snapshot = Effect.fnUntraced(function* (run: LoopRun.LoopRun) {
  const now = performance.now()
  const { average, optimizer, parameters } = run.trainer.sources()
  const copy = yield* run.checkpoints.copy([
    { name: "parameters.safetensors", tensors: parameters },
    { name: "optimizer.safetensors", tensors: optimizer },
    ...(average.length === 0 ? [] : [{ name: averageFile, tensors: average }])
  ])
  const state = LoopRun.timed(run, now)
  run.saves.snapshotTaken(now)
  return {
    step: state.step,
    bestStep: state.best?.step ?? null,
    rollbackStep: rollbackPointBefore(run.config, state.step),
    files: [
      ...copy.files,
      { name: "curve.jsonl", pieces: run.curve.pieces() },
      { name: "state.json", pieces: [Buffer.from(encodeState({ state, origin: run.origin }))] }
    ],
    discard: copy.discard
  } satisfies Snapshot as Snapshot
})

/** Evaluates, saves and samples, where these are due after the step that was taken. */
const afterStep = Effect.fnUntraced(function* (run: LoopRun.LoopRun) {
  const { checkpoints, config, meter, saves } = run
  const { step } = run.state
  const before = performance.now()
  const evaluates = step > run.state.evaluatedStep && LoopRun.evaluatesAt(run, step)
  const isBest = evaluates ? yield* evaluate(run) : false
  if (step === run.plan.schedule.steps && run.state.stopped === null)
    run.state = { ...run.state, stopped: "finished" }
  yield* checkpoints.check
  const isDue = saves.isDue(step, performance.now())
  // At the step that training goes on from, only an evaluation that was not done yet makes anything new.
  const isNew = step !== run.start.step
  if (isNew || evaluates) {
    // A rollback must find its checkpoint however slow the disk is, so that one is waited for.
    if (isRollbackPoint(config, step) && rollsBack(config)) yield* checkpoints.settle
    // In one piece: an interruption between the copy and its saving would lose the copy.
    if (isBest || (isDue && !checkpoints.busy()))
      yield* Effect.uninterruptible(Effect.flatMap(snapshot(run), checkpoints.offer))
  }
  if (config.sampleEvery > 0 && step % config.sampleEvery === 0 && isNew) yield* samples(run)
  if (evaluates) meter.evaluated(performance.now() - before)
})

/** Steps until the epoch ends, as one span. Gives a rollback where a fault asks for one. */
const epoch = Effect.fnUntraced(function* (run: LoopRun.LoopRun) {
  const number = () => Math.floor(LoopRun.epochAt(run, run.state.step))
  const first = number()
  let rollback: Rollback | undefined
  while (run.state.stopped === null && number() === first) {
    rollback = yield* Effect.uninterruptible(takeStep(run))
    if (rollback !== undefined) break
    yield* afterStep(run)
    // An engine that answers at once would otherwise keep signals, timers and saves waiting.
    yield* Effect.yieldNow
  }
  yield* Effect.annotateCurrentSpan({ step: run.state.step, loss: run.state.trainLoss ?? "not finite" })
  return rollback
})

const saveState = Effect.fnUntraced(function* (run: LoopRun.LoopRun) {
  yield* run.checkpoints.settle
  if (run.saves.hasChanged()) yield* run.checkpoints.saveNow(yield* snapshot(run))
})

/** Runs training from a state to its end. Interruption waits for the step under way and saves. */
export const run = Effect.fnUntraced(function* (context: LoopRun.Context) {
  const run = LoopRun.make(context)
  return yield* Effect.gen(function* () {
    if (run.state.step > 0 && run.state.stopped === null) yield* afterStep(run)
    while (run.state.stopped === null) {
      const number = Math.floor(LoopRun.epochAt(run, run.state.step))
      const rollback = yield* Effect.withSpan(epoch(run), "epoch", { attributes: { epoch: number } })
      if (rollback === undefined) continue
      yield* run.checkpoints.settle
      return rollback satisfies Ended as Ended
    }
    yield* saveState(run)
    return { _tag: "Finished", state: LoopRun.timed(run, performance.now()) } satisfies Ended as Ended
  }).pipe(
    Effect.onInterrupt(() =>
      saveState(run).pipe(
        Effect.catch((error) =>
          run.journal.publish({
            type: "Fault",
            kind: "checkpoint-save",
            message: error.message,
            action: "the state since the last checkpoint is lost"
          })
        )
      )
    )
  )
})
