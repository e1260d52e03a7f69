/** Telling a bad step from a good one, and what the policy does about it. */
import { Schema } from "effect"
import type { FaultPolicy } from "./FaultPolicy.ts"
import type { State } from "./State.ts"
import type { StepResult } from "./TrainingPrograms.ts"

/** Training ended at a bad step. */
export class TrainingStopped extends Schema.TaggedError<TrainingStopped>()("TrainingStopped", {
  step: Schema.Int,
  why: Schema.String,
  /** Documents that the step's batches were cut from. */
  documents: Schema.Array(Schema.String)
}) {
  override get message() {
    return `Training stopped at step ${this.step}: ${this.why}. Its batch was cut from ${listed(this.documents)}. Look at these documents, lower learningRate, or set faults.notFinite (or faults.spike) to "skip" or "rollback".`
  }
}

/** At most eight of them, and how many more there are. */
export const listed = (documents: ReadonlyArray<string>): string =>
  documents.length <= 8
    ? documents.join(", ")
    : `${documents.slice(0, 8).join(", ")} and ${documents.length - 8} more`

export type Action = "stop" | "skip" | "rollback"

export interface Fault {
  readonly kind: "loss-not-finite" | "loss-spike"
  readonly why: string
  readonly action: Action
}

type LossStatistics = State["lossStatistics"]

/** The running mean and variance with one more loss: plain averages at first, then exponential ones over about 50 steps. */
export const withLoss = (lossStatistics: LossStatistics, loss: number): LossStatistics => {
  const weight = Math.max(1 / (lossStatistics.steps + 1), 0.02)
  const difference = loss - lossStatistics.mean
  return {
    mean: lossStatistics.mean + weight * difference,
    variance: (1 - weight) * (lossStatistics.variance + weight * difference * difference),
    steps: lossStatistics.steps + 1
  }
}

/** Largest loss that is no spike; infinite while spikes are not looked for. */
export const spikeLimit = (policy: FaultPolicy, lossStatistics: LossStatistics): number =>
  policy.spike === "ignore" || lossStatistics.steps < policy.spikeAfter
    ? Number.POSITIVE_INFINITY
    : lossStatistics.mean +
      policy.spikeDeviations *
        Math.max(Math.sqrt(lossStatistics.variance), 0.01 * Math.abs(lossStatistics.mean))

/** What is wrong with a step, or undefined when nothing is. */
export const faultOf = (
  policy: FaultPolicy,
  lossStatistics: LossStatistics,
  result: StepResult
): Fault | undefined => {
  if (!Number.isFinite(result.loss))
    return { kind: "loss-not-finite", why: `the loss is ${result.loss}`, action: policy.notFinite }
  if (result.gradientNorm !== undefined && !Number.isFinite(result.gradientNorm))
    return {
      kind: "loss-not-finite",
      why: `the gradient norm is ${result.gradientNorm}`,
      action: policy.notFinite
    }
  if (result.loss > spikeLimit(policy, lossStatistics) && policy.spike !== "ignore")
    return {
      kind: "loss-spike",
      why: `the loss is ${result.loss.toFixed(3)}, far above its lossStatistics ${lossStatistics.mean.toFixed(3)}`,
      action: policy.spike
    }
  return undefined
}
