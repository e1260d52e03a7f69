/**
 * The training loop: step, measure, sample, save, until the planned steps are done or patience runs out. What it keeps is one
 * `State`; whatever it decides follows from that, so a loop that starts from a saved state goes on as if it had never stopped.
 */
import type { Journal } from "@trainyard/core/Journal"
import { Effect, FileSystem, Schedule, Schema, Stream } from "effect"
import type { Tokens } from "../dataset/Tokens.ts"
import { type Codec, tokens as completionTokens, text } from "../generate/Completion.ts"
import { fit } from "../model/Calibration.ts"
import { measure } from "../model/Evaluation.ts"
import type { TokenizerMismatch } from "../tokenize/TokenizerError.ts"
import * as Batches from "./Batches.ts"
import type { Checkpoints, Snapshot } from "./Checkpoints.ts"
import type * as Curve from "./Curve.ts"
import { inWindows } from "./Documents.ts"
import { type Fault, faultOf, listed, spikeLimit, TrainingStopped, withLoss } from "./Faults.ts"
import * as Meter from "./Meter.ts"
import * as metrics from "./metrics.ts"
import { learningRate } from "./Schedule.ts"
import { type Origin, type State, StateFile } from "./State.ts"
import type { Plan, TrainConfig } from "./TrainConfig.ts"
import { averageFile } from "./TrainedRun.ts"
import type { Batch, Trainer } from "./Trainer.ts"

export interface Context {
  readonly config: TrainConfig
  readonly plan: Plan
  /** Folder of the dataset, for the names of its documents. */
  readonly dataset: string
  readonly train: Tokens
  readonly validation: Tokens
  readonly codec: Codec<TokenizerMismatch>
  readonly endTokenId: number
  readonly trainer: Trainer
  readonly checkpoints: Checkpoints
  readonly journal: Journal["Service"]
  readonly fileSystem: FileSystem.FileSystem
  readonly origin: Origin
  readonly curve: Curve.Curve
  readonly start: State
}

/** How a loop ended: done, or asking to go back to the last anchor and on with other data. */
export type Ended =
  | { readonly _tag: "Finished"; readonly state: State }
  | { readonly _tag: "Rollback"; readonly nextBatch: number; readonly faults: number; readonly fault: Fault }

const rollsBack = (config: TrainConfig): boolean =>
  config.faults.notFinite === "rollback" || config.faults.spike === "rollback"

/**
 * Steps between scheduled checkpoints, to which a rollback returns. Where the pipeline schedules by time alone, a rollback still needs
 * points that do not depend on the machine's pace: it then has one at each evaluation.
 */
const scheduledEvery = (config: TrainConfig): number | undefined =>
  config.checkpointEvery.steps ?? (rollsBack(config) ? config.evaluateEvery : undefined)

/** Steps to which a rollback may return. */
export const isAnchor = (config: TrainConfig, step: number): boolean => {
  const every = scheduledEvery(config)
  return every !== undefined && step % every === 0
}

/** A temperature is fitted on so many of an evaluation's tokens: one number needs no more. */
const calibrationTokens = 8192

const encodeState = Schema.encodeSync(StateFile)

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)

/** Runs training from a state to its end. Interruption waits for the step under way and saves. */
export const run = Effect.fnUntraced(function* (context: Context) {
  const { checkpoints, config, curve, journal, plan, trainer } = context
  const { gradientAccumulationSteps } = config
  const { schedule, spec } = plan
  const batches = Batches.make(plan.data)
  const meter = Meter.make({
    steps: schedule.steps,
    tokensPerStep: plan.tokensPerStep,
    evaluationsAfter: (step) =>
      Math.ceil(schedule.steps / config.evaluateEvery) - Math.floor(step / config.evaluateEvery),
    // A forward pass is about a third of a step's work.
    evaluationInSteps: Math.min(config.evaluationTokens, context.validation.length) / plan.tokensPerStep / 3
  })
  // Not the clock of the wall, which may be set back.
  const began = performance.now()
  let state = context.start
  let lastSave = began
  let ended: Ended | undefined
  // Whether the state has changed since the last snapshot.
  let changed = false
  // Whether a checkpoint has fallen due that the one being written then kept waiting.
  let owed = false

  const epochAt = (step: number) =>
    Batches.epochsAt(plan.data, step * gradientAccumulationSteps + state.shift)

  const timed = (now: number): State => ({
    ...state,
    seconds: context.start.seconds + (now - began) / 1000
  })

  const snapshot = Effect.gen(function* () {
    const now = performance.now()
    const { average, optimizer, parameters } = trainer.sources
    const copy = yield* checkpoints.copy([
      { name: "parameters.safetensors", tensors: parameters },
      { name: "optimizer.safetensors", tensors: optimizer },
      ...(average.length === 0 ? [] : [{ name: averageFile, tensors: average }])
    ])
    const saved = timed(now)
    const every = scheduledEvery(config)
    lastSave = now
    changed = false
    owed = false
    return {
      step: saved.step,
      bestStep: saved.best?.step ?? null,
      anchorStep: rollsBack(config) && every !== undefined ? Math.floor(saved.step / every) * every : null,
      files: [
        ...copy.files,
        { name: "curve.jsonl", pieces: curve.pieces() },
        { name: "state.json", pieces: [Buffer.from(encodeState({ state: saved, origin: context.origin }))] }
      ],
      discard: copy.discard
    } satisfies Snapshot as Snapshot
  })

  const readBatch = (index: number) =>
    Effect.gen(function* () {
      const { batchSize, sequenceLength } = plan.data
      const batch: Batch = {
        tokens: new Int32Array(batchSize * sequenceLength),
        targets: new Int32Array(batchSize * sequenceLength)
      }
      for (const [row, start] of batches.starts(index).entries()) {
        const window = yield* context.train.read(start, sequenceLength + 1)
        batch.tokens.set(window.subarray(0, sequenceLength), row * sequenceLength)
        batch.targets.set(window.subarray(1), row * sequenceLength)
      }
      return batch
    }).pipe(
      Effect.tapError((error) =>
        journal.publish({
          type: "Fault",
          kind: "read",
          message: error.message,
          action: error.transient ? "tried again" : "training stops"
        })
      ),
      Effect.retry({
        schedule: Schedule.exponential("100 millis", 3),
        times: 4,
        while: (error) => error.transient
      })
    )

  const documentsOf = (indices: ReadonlyArray<number>) =>
    inWindows(
      context.dataset,
      indices.flatMap((index) => batches.starts(index)),
      plan.data.sequenceLength + 1,
      plan.data.tokens
    ).pipe(Effect.provideService(FileSystem.FileSystem, context.fileSystem))

  /** Acts on a bad step. Afterwards the state is that of going on, or `ended` is set. */
  const meet = Effect.fnUntraced(function* (fault: Fault, step: number, indices: ReadonlyArray<number>) {
    const documents = yield* documentsOf(indices)
    const exhausted = fault.action !== "stop" && state.faults >= config.faults.limit
    const why = exhausted
      ? `${fault.why}, after ${state.faults} faults before it, which is faults.limit`
      : fault.why
    const action = exhausted ? "stop" : fault.action
    yield* journal.publish({
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
    if (action === "skip") {
      state = { ...state, step, faults: state.faults + 1, gradientNorm: null }
      return
    }
    const nextBatch = indices[indices.length - 1]! + 1
    ended = { _tag: "Rollback", nextBatch, faults: state.faults + 1, fault }
  })

  const evaluatesAt = (step: number): boolean => step === schedule.steps || step % config.evaluateEvery === 0

  /** Brings the weights' running mean up to date: now and then, and before it is judged. */
  const average = Effect.fnUntraced(function* (step: number) {
    const { emaSteps } = config
    if (emaSteps === 0) return
    const interval = Math.max(1, Math.round(emaSteps / 16))
    if (step % interval !== 0 && !evaluatesAt(step)) return
    // The mean of all steps so far until there are as many as it goes over.
    yield* trainer.average(Math.min(1, (step - state.averagedStep) / Math.min(emaSteps, step)))
    state = { ...state, averagedStep: step }
  })

  const takeStep = Effect.gen(function* () {
    const before = performance.now()
    const step = state.step + 1
    const rate = learningRate(schedule, step)
    const first = state.step * gradientAccumulationSteps + state.shift
    const indices = Array.from({ length: gradientAccumulationSteps }, (_, index) => first + index)
    const read = yield* Effect.forEach(indices, readBatch)
    const limit = spikeLimit(config.faults, state.lossStatistics)
    const result = yield* trainer.step(
      read,
      step,
      rate,
      (loss) => !Number.isFinite(loss) || (config.faults.spike === "skip" && loss > limit)
    )
    const milliseconds = performance.now() - before
    const gradientNorm = result.gradientNorm === undefined ? null : finite(result.gradientNorm)
    const fault = faultOf(config.faults, state.lossStatistics, result)
    if (fault !== undefined) yield* meet(fault, step, indices)
    else
      state = {
        ...state,
        step,
        trainLoss: result.loss,
        gradientNorm,
        lossStatistics: withLoss(state.lossStatistics, result.loss)
      }
    if (ended !== undefined) return
    yield* average(step)
    changed = true
    curve.add({ step, loss: finite(result.loss), learningRate: rate, gradientNorm })
    const figures = meter.tick({
      step,
      epoch: epochAt(step),
      loss: result.loss,
      learningRate: rate,
      gradientNorm,
      milliseconds,
      now: performance.now()
    })
    if (figures !== undefined) yield* Effect.forEach(metrics.step(figures), journal.publish)
  })

  /** The loss on about so many validation tokens, at a temperature. */
  const lossAt = (limit: number) => (temperature: number) =>
    Effect.gen(function* () {
      yield* trainer.cool(temperature)
      const { length, read } = context.validation
      const { count, loss } = yield* measure(trainer.measuring, plan.data, length, read, limit)
      return loss / count
    })

  const evaluate = Effect.gen(function* () {
    const limit = Math.min(config.evaluationTokens, context.validation.length)
    const { loss, temperature } = yield* trainer.judge(
      Effect.gen(function* () {
        const temperature = config.calibrate
          ? yield* fit(state.temperature, lossAt(Math.min(limit, calibrationTokens)))
          : state.temperature
        return { loss: finite(yield* lossAt(limit)(temperature)), temperature }
      })
    )
    const isBest = loss !== null && (state.best === null || loss < state.best.loss)
    yield* journal.publish(metrics.evaluation({ step: state.step, loss, best: isBest }))
    changed = true
    const evaluationsSinceBest = isBest ? 0 : state.evaluationsSinceBest + 1
    curve.add({
      step: state.step,
      loss: state.trainLoss,
      ...(loss === null ? {} : { validationLoss: loss }),
      learningRate: learningRate(schedule, Math.max(1, state.step)),
      gradientNorm: state.gradientNorm
    })
    state = {
      ...state,
      evaluatedStep: state.step,
      validationLoss: loss,
      evaluationsSinceBest,
      temperature,
      best: isBest ? { step: state.step, loss, temperature } : state.best,
      stopped:
        config.patience !== undefined && evaluationsSinceBest >= config.patience ? "patience" : state.stopped
    }
    return isBest
  }).pipe(Effect.withSpan("evaluation"))

  const sample = Effect.fnUntraced(function* (prompt: string) {
    const ids = yield* context.codec.encode(prompt)
    const stream = completionTokens(
      { program: trainer.speaking, sequenceLength: spec.sequenceLength },
      ids.length === 0 ? [context.endTokenId] : ids,
      {
        maxTokens: config.sampleTokens,
        temperature: config.sampleTemperature,
        seed: config.seed,
        stopToken: context.endTokenId
      }
    )
    const completion = yield* Stream.mkString(text(context.codec, stream))
    yield* journal.publish({ type: "Sample", step: state.step, prompt, completion })
  })

  /** What falls due between two steps. Returns when nothing is left to do at this step. */
  const between = Effect.gen(function* () {
    const { step } = state
    const before = performance.now()
    const isLast = step === schedule.steps
    const evaluates = step > state.evaluatedStep && evaluatesAt(step)
    const isBest = evaluates ? yield* evaluate : false
    if (isLast && state.stopped === null) state = { ...state, stopped: "finished" }
    yield* checkpoints.check
    const anchored = isAnchor(config, step)
    const seconds = config.checkpointEvery.seconds
    const elapsed = (performance.now() - lastSave) / 1000
    if (anchored || (seconds !== undefined && elapsed >= seconds)) owed = true
    // At the step that training goes on from, only an evaluation that was still owed makes anything new.
    const isNew = step !== context.start.step
    if (isNew || evaluates) {
      // A rollback must find its anchor whatever the disk's pace, so that one is waited for.
      if (anchored && rollsBack(config)) yield* checkpoints.settle
      // In one piece: an interruption between the copy and its saving would lose the copy.
      if (isBest || (owed && !checkpoints.busy()))
        yield* Effect.uninterruptible(Effect.flatMap(snapshot, checkpoints.offer))
    }
    if (config.sampleEvery > 0 && step % config.sampleEvery === 0 && isNew) {
      yield* trainer.judge(
        Effect.andThen(
          trainer.cool(state.temperature),
          Effect.forEach(config.prompts, sample, { discard: true })
        )
      )
    }
    if (evaluates) meter.evaluated(performance.now() - before)
  })

  /** Steps until the epoch ends, as one span. */
  const epoch = Effect.gen(function* () {
    const number = Math.floor(epochAt(state.step))
    while (state.stopped === null && Math.floor(epochAt(state.step)) === number) {
      yield* Effect.uninterruptible(takeStep)
      if (ended !== undefined) break
      yield* between
      // An engine that answers at once would otherwise keep signals, timers and saves waiting.
      yield* Effect.yieldNow
    }
    yield* Effect.annotateCurrentSpan({ step: state.step, loss: state.trainLoss ?? "not finite" })
  })

  const saveState = Effect.gen(function* () {
    yield* checkpoints.settle
    if (changed) yield* checkpoints.saveNow(yield* snapshot)
  })

  return yield* Effect.gen(function* () {
    if (state.step > 0 && state.stopped === null) yield* between
    while (state.stopped === null && ended === undefined)
      yield* Effect.withSpan(epoch, "epoch", { attributes: { epoch: Math.floor(epochAt(state.step)) } })
    if (ended !== undefined) {
      yield* checkpoints.settle
      return ended
    }
    yield* saveState
    return { _tag: "Finished", state: timed(performance.now()) } satisfies Ended as Ended
  }).pipe(
    Effect.onInterrupt(() =>
      saveState.pipe(
        Effect.catch((error) =>
          journal.publish({
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
