/**
 * Data parallel training over a slow network, an experiment: replicas train many steps by themselves between two averages, so that little is
 * sent and seldom. It is made of ordinary stages, which one machine makes one after the other and workers side by side.
 *
 * Source: Douillard et al. 2023, "DiLoCo: Distributed Low-Communication Training of Language Models", arXiv:2311.08105, algorithm 1. The
 * differences of weights are sent as float16, as in Jaghouar et al. 2024, "OpenDiLoCo", arXiv:2407.07852, section 3.
 */
import type * as Stage from "@trainyard/core/Stage"
import { Predicate, type Schema, Struct } from "effect"
import type { Dataset } from "../dataset/Dataset.ts"
import type { Model } from "../generate/ModelArtifact.ts"
import type { ModelShape } from "../model/ModelConfig.ts"
import type { TrainedRun } from "../train/TrainedRun.ts"
import type { AveragedWeights } from "./AveragedWeights.ts"
import { averagedRun } from "./averagedRun.ts"
import { averageReplicas, inputOf } from "./averageReplicas.ts"
import { localSteps as oneRound } from "./localSteps.ts"
import type { ReplicaRound } from "./ReplicaRound.ts"
import { replicaStart } from "./replicaStart.ts"
import { type evaluationFields, type innerFields, mostReplicas, notTaken } from "./settings.ts"

/** Settings of the experiment, beside those of `train`. */
export interface Replication {
  /** What this does, its settings and its artifacts may change in any version: saying so keeps it out of pipelines unawares. */
  readonly experimental: true
  /** How many train side by side, 1 to 16. Each reads every so-many-th batch of the same order. */
  readonly replicas: number
  /** How often they are averaged. */
  readonly rounds: number
  /** Optimizer steps of each replica in a round: 50 to 500 is usual. */
  readonly localSteps: number
  /** The outer optimizer, SGD with Nesterov momentum: learning rate 0.7 and momentum 0.9 unless given. */
  readonly outer?: { readonly learningRate?: number; readonly momentum?: number }
  /**
   * Whether each replica keeps the state of its own optimizer from round to round (`keep`, unless given), which then is a part of what it hands
   * on, or begins each with an empty one (`reset`), so that only the float16 differences are handed on.
   */
  readonly innerState?: "keep" | "reset"
  /** Name of the last stage, and the beginning of the others' names; `diloco` unless given. */
  readonly name?: string
}

type Inner = Schema.Struct<typeof innerFields & typeof evaluationFields>["Encoded"]
type DatasetNode = Stage.Node<typeof Dataset>
type ModelNode = Stage.Node<typeof Model>

/** Settings and inputs of `train` that are refused: see `notTaken`. */
type NotTaken = { readonly [Key in keyof typeof notTaken]?: never }

export type Options<D extends DatasetNode, F extends ModelNode> = Replication &
  Inner &
  NotTaken & {
    readonly dataset: D
    /** A model whose weights are trained further. Without it they are drawn, and `model` says their shape. */
    readonly from?: F
  } & ({ readonly model: ModelShape } | { readonly from: F })

type Own = typeof replicaStart | typeof oneRound | typeof averageReplicas | typeof averagedRun
type OwnError<S> =
  S extends Stage.Stage<infer _Inputs, infer _Fields, infer _Out, infer E, infer _Services> ? E : never
type OwnServices<S> =
  S extends Stage.Stage<infer _Inputs, infer _Fields, infer _Out, infer _Error, infer R> ? R : never

const keysOfReplication = [
  "experimental",
  "replicas",
  "rounds",
  "localSteps",
  "outer",
  "innerState",
  "name"
] as const satisfies ReadonlyArray<keyof Replication>

const wholeNumber = (key: string, value: unknown, most?: number): void => {
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= (most ?? value)) return
  const range = most === undefined ? "of at least 1" : `from 1 to ${most}`
  throw new RangeError(`${key} of diloco is a whole number ${range}, and is ${String(value)}.`)
}

/** Refuses what makes no such training, in a sentence. */
const check = (options: Replication & Inner): void => {
  if (options.experimental !== true)
    throw new RangeError(
      "diloco is an experiment, which may change in any version: give experimental: true to use it."
    )
  for (const [key, why] of Object.entries(notTaken))
    if (Predicate.hasProperty(options, key) && options[key] !== undefined)
      throw new RangeError(`diloco does not take the setting ${key} of train: ${why}. Take it out.`)
  wholeNumber("replicas", options.replicas, mostReplicas)
  wholeNumber("rounds", options.rounds)
  wholeNumber("localSteps", options.localSteps)
}

/**
 * Trains a model on a dataset with several replicas that are averaged now and then. Gives a run like that of `train`, which `checkpoint` takes.
 * Settings of `train` that are given, such as `optimizer` and `learningRate`, are those of each replica; the learning rate falls over all
 * `rounds` times `localSteps` steps.
 *
 * @example
 * ```ts
 * const run = diloco({
 *   experimental: true,
 *   dataset,
 *   model: Qwen.tiny,
 *   replicas: 2,
 *   rounds: 10,
 *   localSteps: 50,
 *   learningRate: 1e-3
 * })
 * ```
 *
 * Throws a `RangeError` for options that make no such training. Its stages fail as `train` does, and with `AveragingImpossible` where weights have
 * diverged.
 */
export const diloco = <const D extends DatasetNode, const F extends ModelNode = never>(
  options: Options<D, F>
): Stage.Node<
  typeof TrainedRun,
  OwnError<Own> | Stage.ErrorOf<D> | Stage.ErrorOf<F>,
  OwnServices<Own> | Stage.ServicesOf<D> | Stage.ServicesOf<F>
> => {
  const given: Replication & Inner & { readonly dataset: DatasetNode; readonly from?: ModelNode } = options
  check(given)
  const { calibrate, dataset, evaluationTokens, from, innerState, name = "diloco", outer = {} } = given
  const { localSteps, replicas, rounds } = given
  const inner = {
    ...Struct.omit(given, [...keysOfReplication, "calibrate", "dataset", "evaluationTokens", "from"]),
    decaySteps: given.decaySteps ?? rounds * localSteps
  }
  const evaluation = {
    ...(given.batchSize !== undefined && { batchSize: given.batchSize }),
    ...(calibrate !== undefined && { calibrate }),
    ...(evaluationTokens !== undefined && { evaluationTokens })
  }
  const shape = { replicas, localSteps }
  let average: Stage.Node<typeof AveragedWeights> = replicaStart({
    ...inner,
    ...shape,
    rounds,
    name: `${name}-start`,
    dataset,
    from
  })
  let previous: ReadonlyArray<Stage.Node<typeof ReplicaRound>> = []
  for (let round = 1; round <= rounds; round++) {
    const [before, earlier] = [average, previous]
    previous = Array.from({ length: replicas }, (_, index) =>
      oneRound({
        ...inner,
        ...shape,
        ...(innerState !== undefined && { innerState }),
        name: `${name}-round-${round}-replica-${index + 1}`,
        replica: index + 1,
        dataset,
        average: before,
        previous: earlier[index]
      })
    )
    average = averageReplicas({
      ...evaluation,
      outer,
      name: `${name}-round-${round}`,
      dataset,
      before,
      ...Object.fromEntries(previous.map((node, index) => [inputOf(index + 1), node]))
    })
  }
  // The node's own types are lost on the way through the rounds: they are those of the stages and of what they are given.
  return averagedRun({
    ...inner,
    ...evaluation,
    ...shape,
    outer,
    name,
    dataset,
    average,
    first: previous[0]!
  }) as ReturnType<typeof diloco<D, F>>
}
