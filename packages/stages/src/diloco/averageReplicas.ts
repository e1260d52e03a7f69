/** The end of a round: the outer optimizer moves the last average by the mean difference of the replicas, and the new one is evaluated. */
import { join } from "node:path"
import type { Artifact } from "@trainyard/core/Artifact"
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import { Effect, FileSystem, Schema } from "effect"
import { Dataset } from "../dataset/Dataset.ts"
import { OpenTokens } from "../dataset/Tokens.ts"
import { rowsOf, spread } from "../model/Evaluation.ts"
import { parameters } from "../model/Parameters.ts"
import { release } from "../tensors/release.ts"
import type { SafetensorsError, Source } from "../tensors/Safetensors.ts"
import * as TensorFile from "../tensors/TensorFile.ts"
import * as metrics from "../train/metrics.ts"
import type { CurvePoint } from "../train/TrainedRun.ts"
import { documentsOf } from "../train/train.ts"
import { AveragedWeights, bestFile, curveFile, momentumFile, parametersFile } from "./AveragedWeights.ts"
import { averageCurves } from "./averageCurves.ts"
import { evaluateAverage } from "./evaluateAverage.ts"
import { type OuterSettings, outerStep } from "./outerOptimizer.ts"
import { differenceFile, ReplicaRound } from "./ReplicaRound.ts"
import { evaluationFields, mostReplicas, outerFields } from "./settings.ts"
import * as Weights from "./weights.ts"

type Average = Artifact<typeof AveragedWeights>
type Round = Artifact<typeof ReplicaRound>

/** Name of the input that has a replica's round. */
export const inputOf = (replica: number) => `replica${replica}` as const

const optionalRound = Stage.optional(ReplicaRound)

type Inputs = {
  readonly dataset: typeof Dataset
  /** What the replicas started from. */
  readonly before: typeof AveragedWeights
} & Readonly<Record<`replica${number}`, typeof optionalRound>>

const inputs: Inputs = {
  dataset: Dataset,
  before: AveragedWeights,
  ...Object.fromEntries(
    Array.from({ length: mostReplicas }, (_, index) => [inputOf(index + 1), optionalRound])
  )
}

/** Writes the weights and the momentum after the outer step, a tensor at a time. */
const writeStep = Effect.fnUntraced(function* (
  before: Average,
  replicas: ReadonlyArray<Round>,
  settings: OuterSettings,
  output: string
) {
  const list = parameters(Weights.specOf(before))
  const weights = yield* Weights.ofAverage(before, parametersFile)
  const momentum = before.value.round === 0 ? [] : yield* Weights.ofAverage(before, momentumFile)
  const differences = yield* Effect.forEach(replicas, ({ directory }) =>
    Weights.open(directory, differenceFile, list)
  )
  const stepped = (part: "weights" | "momentum") =>
    list.map(
      ({ name, shape }, index): Source<SafetensorsError> => ({
        name,
        shape,
        read: Effect.gen(function* () {
          const old = yield* weights[index]!.read
          const moved = yield* Effect.forEach(differences, (each) => each[index]!.read)
          const kept = yield* momentum[index]?.read ?? Effect.sync(() => new Float32Array(old.length))
          const next = outerStep({ weights: old, momentum: kept }, moved, settings)
          for (const values of [old, kept, ...moved]) release(values)
          return next[part]
        })
      })
    )
  yield* TensorFile.write(join(output, parametersFile), stepped("weights"), {})
  yield* TensorFile.write(join(output, momentumFile), stepped("momentum"), {})
})

/** The new average's loss on the validation split. */
const measured = Effect.fnUntraced(function* (
  dataset: Artifact<typeof Dataset>,
  before: Average,
  config: { readonly batchSize: number; readonly calibrate: boolean; readonly evaluationTokens: number },
  output: string
) {
  const { directory, value } = dataset
  const spec = Weights.specOf(before)
  const openTokens = yield* OpenTokens
  const documents = yield* documentsOf(dataset)
  const windows = rowsOf(documents.validation, value.validation.tokens, spec.sequenceLength)
  return yield* evaluateAverage({
    spec,
    weights: yield* Weights.open(output, parametersFile, parameters(spec)),
    batchSize: config.batchSize,
    rows: spread(windows, config.evaluationTokens),
    validation: yield* openTokens(join(directory, "validation.bin"), value.tokenBytes),
    temperature: before.value.temperature,
    calibrates: config.calibrate
  })
})

/** Adds the round's points to the curve, with the average's loss at its end. */
const writeCurve = Effect.fnUntraced(function* (
  before: Average,
  replicas: ReadonlyArray<Round>,
  loss: number | null,
  output: string
) {
  const fs = yield* FileSystem.FileSystem
  const earlier = before.value.round === 0 ? "" : yield* fs.readFileString(join(before.directory, curveFile))
  const points = averageCurves(
    yield* Effect.forEach(replicas, ({ directory }) => fs.readFileString(join(directory, curveFile)))
  )
  const last = points.at(-1)
  const evaluated: ReadonlyArray<CurvePoint> =
    last === undefined || loss === null ? [] : [{ ...last, validationLoss: loss }]
  const lines = [...points, ...evaluated].map((point) => `${JSON.stringify(point)}\n`)
  yield* fs.writeFileString(join(output, curveFile), earlier + lines.join(""))
})

/** Takes the weights of an earlier round along, where its loss was lower. */
const keepBest = Effect.fnUntraced(function* (
  { directory, value: { best, round } }: Average,
  output: string
) {
  const fs = yield* FileSystem.FileSystem
  const file = best?.round === round ? parametersFile : bestFile
  yield* fs.copyFile(join(directory, file), join(output, bestFile))
})

export const averageReplicas = Stage.make({
  name: "outer-step",
  version: 1,
  source: import.meta.url,
  inputs,
  config: { ...evaluationFields, outer: Schema.Struct(outerFields) },
  output: AveragedWeights,
  usesBackend: true,
  run: Effect.fn("outer-step")(function* ({ config, inputs, output }) {
    const { before, dataset } = inputs
    const journal = yield* Journal
    const replicas = Array.from({ length: mostReplicas }, (_, index) => inputs[inputOf(index + 1)]).filter(
      (round) => round !== undefined
    )
    yield* writeStep(before, replicas, config.outer, output)
    const { loss, temperature } = yield* measured(dataset, before, config, output)
    yield* writeCurve(before, replicas, loss, output)
    const round = before.value.round + 1
    const { step } = replicas[0]!.value.state
    const earlier = before.value.best
    const isBest = loss !== null && (earlier === null || loss < earlier.loss)
    if (!isBest && earlier !== null) yield* keepBest(before, output)
    yield* journal.publish(metrics.evaluation({ step, loss, best: isBest }))
    return {
      ...before.value,
      round,
      steps: step,
      temperature,
      validationLoss: loss,
      best: isBest ? { round, step, loss, temperature } : earlier,
      seconds: replicas.reduce((sum, { value }) => sum + value.seconds, before.value.seconds)
    }
  })
})
