/**
 * Whether an engine's fast mode can be trusted on this machine with this pipeline's model: a few training steps three times over, with
 * each operation checked beside reference, unchecked, and on reference alone; then what they gave is compared.
 */
import type { Precision } from "@trainyard/backends/Backend"
import type { Artifact } from "@trainyard/core/Artifact"
import * as Runner from "@trainyard/core/Runner"
import * as Settings from "@trainyard/core/Settings"
import type { Node } from "@trainyard/core/Stage"
import { temporaryDirectory, Workspace } from "@trainyard/core/Workspace"
import { CurvePoint, TrainedRun } from "@trainyard/stages/train/TrainedRun"
import { Effect, FileSystem, Layer, Path, Schema } from "effect"
import * as Engine from "./Engine.ts"
import type { Pipeline } from "./Pipeline.ts"
import type { Chosen } from "./RunOptions.ts"

/** How one way of doing the steps went. */
export interface Trial {
  readonly how: "checked" | "fast" | "reference"
  /** Loss of each step in nats per token, then the validation loss. */
  readonly losses: ReadonlyArray<number>
  readonly validationLoss: number
  readonly millisecondsPerStep: number
  /** Why it broke off: the first operation that differs, or a value that is not finite. */
  readonly problem: string | undefined
}

/** Nodes of a pipeline that train. */
export const trainers = (pipeline: Pipeline): ReadonlyArray<Node> =>
  pipeline.nodes.filter((node) => node.kind.name === TrainedRun.name)

/** The nodes that a node depends on through its inputs. */
export const ancestors = (node: Node): ReadonlySet<Node> => {
  const found = new Set<Node>()
  const visit = (each: Node): void => {
    for (const source of Object.values(each.inputs)) {
      if (found.has(source)) continue
      found.add(source)
      visit(source)
    }
  }
  visit(node)
  return found
}

/** The same training, cut to a few steps that are quick to check. What it computes in a step stays what it was. */
const shortened = (node: Node, steps: number): Node => {
  const { epochs: _epochs, patience: _patience, ...config } = node.config
  const batchSize = typeof config.batchSize === "number" ? config.batchSize : 8
  return {
    ...node,
    config: {
      ...config,
      steps,
      batchSize: Math.min(batchSize, 2),
      gradientAccumulationSteps: 1,
      evaluateEvery: steps,
      evaluationTokens: 256,
      sampleEvery: 0
    }
  }
}

const decodePoint = Schema.decodeUnknownEffect(Schema.fromJsonString(CurvePoint))

const lossesIn = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const text = yield* fs.readFileString(path.join(directory, "curve.jsonl"))
  const points = yield* Effect.forEach(
    text.split("\n").filter((line) => line !== ""),
    (line) => decodePoint(line)
  )
  return {
    losses: points.flatMap(({ loss, validationLoss }) =>
      loss === null || validationLoss !== undefined ? [] : [loss]
    ),
    validationLoss:
      points.findLast((point) => point.validationLoss !== undefined)?.validationLoss ?? Number.NaN
  }
})

/** Does the steps once, in a workspace of its own that is gone afterwards. */
const attempt = Effect.fnUntraced(function* (
  pipeline: Pipeline,
  node: Node,
  supply: Readonly<Record<string, Artifact>>,
  how: Trial["how"],
  chosen: Chosen,
  steps: number
) {
  const own = yield* temporaryDirectory("verifying")
  const short = shortened(node, steps)
  const cut: Pipeline = {
    ...pipeline,
    nodes: [...pipeline.nodes.filter((each) => ancestors(node).has(each)), short],
    results: []
  }
  const engine =
    how === "reference" ? { ...chosen, backend: "reference" as const, precision: undefined } : chosen
  const started = performance.now()
  const result = yield* Runner.run(cut, { only: [node.name], supply }).pipe(
    Effect.provide(Layer.merge(Workspace.layer(own), Engine.layer(engine, { checked: how === "checked" })))
  )
  const seconds = (performance.now() - started) / 1000
  const outcome = result.stages.find(({ name }) => name === node.name)
  const failed: Trial = {
    how,
    losses: [],
    validationLoss: Number.NaN,
    millisecondsPerStep: (seconds * 1000) / steps,
    problem: outcome?.failure?.message ?? "it did not run"
  }
  if (outcome?.artifact == null) return failed
  const trial: Trial = { ...failed, ...(yield* lossesIn(outcome.artifact.directory)), problem: undefined }
  return trial
}, Effect.scoped)

const largest = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number =>
  a.length === b.length
    ? a.reduce((most, value, index) => Math.max(most, Math.abs(value - b[index]!)), 0)
    : Number.POSITIVE_INFINITY

export interface Comparison {
  readonly trusted: boolean
  /** One sentence. */
  readonly why: string
  /** Largest difference of a loss between the fast mode and the checked one, and between the fast mode and reference. */
  readonly fromChecked: number
  readonly fromReference: number
  readonly trials: ReadonlyArray<Trial>
}

/** Differences of a loss, in nats, that rounding explains after a few steps, by precision. */
const allowed: Readonly<Record<Precision, number>> = { f32: 1e-3, bf16: 5e-2, int8: 5e-2 }

/** Compares the trials of an engine. */
export const compare = (precision: Precision, trials: ReadonlyArray<Trial>): Comparison => {
  const broken = trials.find(({ problem }) => problem !== undefined)
  const of = (how: Trial["how"]) => {
    const trial = trials.find((each) => each.how === how)
    return trial === undefined ? [] : [...trial.losses, trial.validationLoss]
  }
  if (broken?.problem !== undefined) {
    const where = broken.how === "checked" ? "" : ` in ${broken.how} mode`
    return {
      trusted: false,
      why: `${broken.problem}${where}`,
      fromChecked: Number.NaN,
      fromReference: Number.NaN,
      trials
    }
  }
  const fromChecked = largest(of("fast"), of("checked"))
  const fromReference = largest(of("fast"), of("reference"))
  const limit = allowed[precision]
  const figures = { fromChecked, fromReference, trials }
  // A NaN compares as false, and must not pass for trust.
  if (!(fromChecked <= limit)) {
    return {
      trusted: false,
      why: `its losses differ by ${fromChecked} between checked and fast mode`,
      ...figures
    }
  }
  if (!(fromReference <= limit)) {
    return { trusted: false, why: `its losses differ by ${fromReference} from reference's`, ...figures }
  }
  return {
    trusted: true,
    why: "every operation agrees with reference, no value was read before it was written or was not finite, and the whole steps agree",
    ...figures
  }
}

/** Verifies one training node with these settings, from artifacts of what it reads. */
export const verify = Effect.fn("Verification.verify")(function* (
  pipeline: Pipeline,
  node: Node,
  set: ReadonlyArray<string>,
  supply: Readonly<Record<string, Artifact>>,
  chosen: Chosen,
  steps: number
) {
  // Before it is shortened: a setting may be one of those that shortening replaces.
  const settings = yield* Settings.resolve(pipeline, set)
  const configured: Node = { ...node, config: settings.get(node.name)?.encoded ?? node.config }
  const trials: Array<Trial> = []
  for (const how of ["fast", "checked", "reference"] as const) {
    trials.push(yield* attempt(pipeline, configured, supply, how, chosen, steps))
  }
  return trials
})
