/** The end of training: the best and the last checkpoint become the artifact, with the curve and the facts. */
import { join } from "node:path"
import type { Backend } from "@trainyard/backends/Backend"
import type { Artifact } from "@trainyard/core/Artifact"
import { Journal } from "@trainyard/core/Journal"
import { explain } from "@trainyard/core/Workspace"
import { Effect, FileSystem } from "effect"
import type { Dataset } from "../dataset/Dataset.ts"
import { share } from "../figures.ts"
import { measuredTokens } from "../model/Evaluation.ts"
import { summaryOf } from "../model/families.ts"
import { parameterCount } from "../model/Parameters.ts"
import * as CheckpointFolder from "./CheckpointFolder.ts"
import type { Checkpoints } from "./Checkpoints.ts"
import * as Documents from "./Documents.ts"
import { count, modelText, rate } from "./figures.ts"
import { muonMatrices } from "./optimizers.ts"
import type { Plan } from "./Plan.ts"
import { CheckpointFailed } from "./Snapshot.ts"
import type { Start } from "./Start.ts"
import type { State } from "./State.ts"
import type { Teacher } from "./Teacher.ts"
import type { TrainConfig } from "./TrainConfig.ts"
import type { TrainedRun } from "./TrainedRun.ts"
import type { Decay } from "./WeightDecay.ts"

const windowsText = ({ batches, data, masksDocuments }: Plan): string => {
  const { rowsPerEpoch } = batches
  const rows = `${count(data.tokens)} in ${count(rowsPerEpoch)}`
  const attention = masksDocuments ? "; attention stays within documents" : ""
  if (data.documents === undefined) return `${rows} windows an epoch${attention}`
  const padding = 1 - data.tokens / (rowsPerEpoch * data.sequenceLength)
  return `${rows} rows of whole documents in the first epoch, ${share(padding)} padding${attention}`
}

const rateText = ({ schedule }: Plan): string => {
  const { constantUntil, decay, floor, kind, peak, warmUp } = schedule
  const falls =
    kind === "linear"
      ? `constant to step ${count(constantUntil)}, then in a line to ${rate(floor)} at step ${count(decay)}`
      : `then down to ${rate(floor)} at step ${count(decay)}`
  return `${rate(peak)} after ${count(warmUp)} steps, ${falls}`
}

const decayText = ({ epochs, steps, weightDecay }: Decay): string =>
  weightDecay === 0
    ? "none"
    : `${rate(weightDecay)}, a time scale of ${count(Math.round(steps))} steps or ${rate(epochs)} epochs`

/** What is worth knowing before the first step. */
export const factsOf = (plan: Plan, config: TrainConfig, parameters: number, start: Start | undefined) => {
  return [
    { label: "Model", text: modelText(plan.spec.model, parameters) },
    { label: "Vocabulary", text: count(plan.spec.vocabularySize) },
    {
      label: "Sequence length",
      text: plan.contexts
        .map(({ lastStep, length }) =>
          Number.isFinite(lastStep) ? `${count(length)} to step ${count(lastStep)}` : count(length)
        )
        .join(", then ")
    },
    { label: "Training tokens", text: windowsText(plan) },
    ...((config.fillInTheMiddle ?? 0) > 0
      ? [
          {
            label: "Fill in the middle",
            text: `${share(config.fillInTheMiddle ?? 0)} of the training documents, drawn anew each epoch; the other splits stay plain text`
          }
        ]
      : []),
    {
      label: "Steps",
      text: `${count(plan.schedule.steps)} of ${count(plan.tokensPerStep)} tokens, ${plan.batches.epochsAt(plan.schedule.steps * config.gradientAccumulationSteps).toFixed(2)} epochs`
    },
    { label: "Learning rate", text: rateText(plan) },
    { label: "Weight decay", text: decayText(plan.decay) },
    ...(config.optimizer === "muon"
      ? [
          {
            label: "Muon",
            text: `${count(muonMatrices(plan.spec))} hidden matrices, learning rate ${rate(config.muon.learningRate)}, weight decay ${decayText(plan.muonDecay)}; AdamW has the rest`
          }
        ]
      : []),
    ...(start === undefined
      ? []
      : [
          {
            label: "Starts from",
            text: start.isRun
              ? `run ${start.from.cacheKey.slice(0, 12)} at step ${count(start.done.steps)}; ${count(plan.schedule.steps - start.done.steps)} steps to come`
              : `the weights of model ${start.from.cacheKey.slice(0, 12)}`
          }
        ])
  ]
}

/** What is worth knowing of a teacher. */
export const teacherFacts = (teacher: Teacher | undefined) =>
  teacher === undefined
    ? []
    : [
        {
          label: "Teacher",
          text: `${summaryOf(teacher.spec.model)} (${teacher.cacheKey.slice(0, 12)}); its predictions have ${share(teacher.weight)} of the loss, at temperature ${rate(teacher.temperature)}`
        }
      ]

export interface Options {
  readonly config: TrainConfig
  readonly plan: Plan
  readonly dataset: Artifact<typeof Dataset>
  readonly checkpoints: Checkpoints
  readonly state: State
  /** What training started from, if not from drawn weights. */
  readonly start: Start | undefined
  readonly teacher: Teacher | undefined
  readonly output: string
  readonly backend: Backend["Service"]
}

const failed = (output: string, step: number, why: string) =>
  new CheckpointFailed({ step, directory: output, why })

/** The last checkpoint and the best, with the best one's loss and temperature. Where the best is damaged, the last takes its place. */
const bestAndLast = Effect.fnUntraced(function* ({ checkpoints, output, start, state }: Options) {
  const journal = yield* Journal
  const last = yield* checkpoints.newest((step) => step === state.step)
  if (last.checkpoint === undefined)
    return yield* failed(
      output,
      state.step,
      `It was there and is not usable any more: ${last.skipped.map(({ why }) => why).join("; ") || "it is gone"}.`
    )
  const lastLoss = lastLossOf(state)
  const { temperature } = state
  let best = { checkpoint: last.checkpoint, step: state.step, loss: lastLoss, temperature }
  if (state.best !== null && state.best.step !== state.step) {
    const bestStep = state.best.step
    const own = yield* checkpoints.newest((step) => step === bestStep)
    // The best may be one of the run that this one continued.
    const earlier =
      own.checkpoint !== undefined || start?.best === undefined || bestStep > start.done.steps
        ? undefined
        : yield* Effect.orElseSucceed(CheckpointFolder.read(start.best), () => undefined)
    const found = earlier?.step === bestStep ? { checkpoint: earlier, skipped: [] } : own
    if (found.checkpoint !== undefined) best = { checkpoint: found.checkpoint, ...state.best }
    else
      yield* journal.publish({
        type: "Fault",
        kind: "checkpoint-broken",
        message: `The best checkpoint, of step ${state.best.step}, cannot be used: ${found.skipped.map(({ why }) => why).join("; ") || "it is gone"}.`,
        action: "the last one is published as the best"
      })
  }
  return { best, last: last.checkpoint }
})

const lastLossOf = (state: State): number => state.validationLoss ?? Number.NaN

/** Writes `best/`, `last/`, `curve.jsonl` and the tokenizer. */
const writeFiles = Effect.fnUntraced(function* (
  { dataset, output, state }: Options,
  best: CheckpointFolder.Verified,
  last: CheckpointFolder.Verified
) {
  const fs = yield* FileSystem.FileSystem
  const copy = (name: string, { files, step }: CheckpointFolder.Verified) =>
    CheckpointFolder.write(
      join(output, name),
      step,
      [...files].map(([file, stored]) => ({ name: file, pieces: [stored] }))
    ).pipe(Effect.mapError((error) => failed(output, step, explain("Publishing it", output)(error).message)))
  yield* copy("best", best)
  yield* copy("last", last)
  yield* fs
    .copyFile(join(output, "last", "curve.jsonl"), join(output, "curve.jsonl"))
    .pipe(
      Effect.mapError((error) =>
        failed(output, state.step, explain("Publishing the curve", output)(error).message)
      )
    )
  for (const name of ["tokenizer.json", "tokenizer_config.json"])
    yield* fs
      .copyFile(join(dataset.directory, name), join(output, name))
      .pipe(
        Effect.mapError((error) =>
          failed(output, state.step, explain("Copying the tokenizer", output)(error).message)
        )
      )
})

type Best = Effect.Success<ReturnType<typeof bestAndLast>>["best"]

/** How it learned. */
export const learningOf = ({
  config,
  plan,
  teacher
}: Pick<Options, "config" | "plan" | "teacher">): (typeof TrainedRun)["value"]["Type"]["learning"] => {
  const { schedule } = plan
  return {
    windows: config.windows,
    documentMask: plan.masksDocuments,
    ...((config.fillInTheMiddle ?? 0) > 0 && { fillInTheMiddle: config.fillInTheMiddle }),
    ...(teacher && {
      teacher: {
        cacheKey: teacher.cacheKey,
        weight: teacher.weight,
        temperature: teacher.temperature
      }
    }),
    optimizer: config.optimizer,
    ...(config.optimizer === "muon" && {
      muon: {
        learningRate: config.muon.learningRate,
        momentum: config.muon.momentum,
        weightDecay: plan.muonDecay.weightDecay
      }
    }),
    contexts: plan.contexts.flatMap(({ lastStep, length }) =>
      Number.isFinite(lastStep) ? [{ lastStep, sequenceLength: length }] : []
    ),
    batchSize: config.batchSize,
    gradientAccumulationSteps: config.gradientAccumulationSteps,
    learningRate: schedule.peak,
    minLearningRate: schedule.floor,
    warmUp: schedule.warmUp,
    schedule: schedule.kind,
    decayFrom: schedule.constantUntil,
    decaySteps: schedule.decay,
    weightDecay: plan.decay.weightDecay,
    beta1: config.beta1,
    beta2: config.beta2,
    gradientClip: config.gradientClip,
    emaSteps: config.emaSteps,
    averageLast: config.averageLast,
    seed: config.seed
  }
}

/** The artifact's value: what was trained, how, and from what. */
const valueOf = Effect.fnUntraced(function* (options: Options, best: Best) {
  const { backend, config, dataset, plan, start, state } = options
  const steps = state.step - (start?.done.steps ?? 0)
  const tokensSeen = (start?.tokensSeen ?? 0) + steps * plan.tokensPerStep
  const { spec } = plan
  const value: (typeof TrainedRun)["value"]["Type"] = {
    tokenizer: dataset.value.tokenizer,
    model: spec.model,
    vocabularySize: spec.vocabularySize,
    sequenceLength: spec.sequenceLength,
    parameters: parameterCount(spec),
    engine: backend.engine,
    precision: backend.settings.precision,
    threads: backend.settings.threads,
    steps: state.step,
    epochs: (start?.epochs ?? 0) + plan.batches.epochsAt(steps * config.gradientAccumulationSteps),
    tokensSeen,
    evaluationTokens: measuredTokens(plan.evaluation),
    bestStep: best.step,
    temperature: { best: best.temperature, last: state.temperature },
    bestValidationLoss: best.loss,
    lastValidationLoss: lastLossOf(state),
    lastTrainLoss: state.trainLoss ?? Number.NaN,
    ...(start && {
      startedFrom: {
        kind: start.from.kind,
        cacheKey: start.from.cacheKey,
        fromScratch: start.from.kind !== "model" && (start.from.value.startedFrom?.fromScratch ?? true),
        step: start.from.kind === "model" ? (start.from.value.provenance?.step ?? null) : start.done.steps
      }
    }),
    stopped: state.stopped ?? "finished",
    seconds: state.seconds,
    tokensPerSecond: state.seconds > 0 ? tokensSeen / state.seconds : 0,
    data: {
      train: dataset.value.train,
      validation: dataset.value.validation,
      ...(dataset.value.test && { test: dataset.value.test }),
      origins: yield* Documents.origins(dataset.directory)
    },
    learning: learningOf(options)
  }
  return value
})

/** Writes `best/`, `last/` and `curve.jsonl` and gives the artifact's value. */
export const publish = Effect.fn("train.publish")(function* (options: Options) {
  const { best, last } = yield* bestAndLast(options)
  yield* writeFiles(options, best.checkpoint, last)
  return yield* valueOf(options, best)
})
