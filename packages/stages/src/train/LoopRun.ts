/** One run of the training loop: what it works with, and its state. The modules beside change the state step by step. */
import type { Journal } from "@trainyard/core/Journal"
import type { FileSystem } from "effect"
import type { Tokens } from "../dataset/Tokens.ts"
import type { Codec } from "../generate/Completion.ts"
import type { TokenizerMismatch } from "../tokenize/TokenizerError.ts"
import type { Batches } from "./Batches.ts"
import type { Checkpoints } from "./Checkpoints.ts"
import type * as Curve from "./Curve.ts"
import type { Filling } from "./fillInTheMiddle.ts"
import * as Meter from "./Meter.ts"
import type { Documents, Plan } from "./Plan.ts"
import * as SaveSchedule from "./SaveSchedule.ts"
import type { Origin, State } from "./State.ts"
import type { TrainConfig } from "./TrainConfig.ts"
import type { Trainer } from "./Trainer.ts"

export interface Context {
  readonly config: TrainConfig
  readonly plan: Plan
  /** Folder of the dataset, for the names of its documents. */
  readonly dataset: string
  readonly train: Tokens
  readonly validation: Tokens
  /** Where the documents of both begin. */
  readonly documents: Documents
  readonly codec: Codec<TokenizerMismatch>
  readonly endTokenId: number
  /** How documents are transformed to fill in the middle; undefined where they are not. */
  readonly filling: Filling<TokenizerMismatch> | undefined
  readonly trainer: Trainer
  readonly checkpoints: Checkpoints
  readonly journal: Journal["Service"]
  readonly fileSystem: FileSystem.FileSystem
  readonly origin: Origin
  readonly curve: Curve.Curve
  /** The state that the loop begins with. */
  readonly start: State
}

export interface LoopRun extends Context {
  readonly batches: Batches
  readonly meter: Meter.Meter
  readonly saves: SaveSchedule.SaveSchedule
  /** When it began, in milliseconds of a clock that only goes forward: the system's clock may be set back. */
  readonly began: number
  /** Changed in one piece together with the curve, so that an interruption never finds the one without the other. */
  state: State
}

export const make = (context: Context): LoopRun => {
  const { config, plan, start } = context
  const { steps } = plan.schedule
  const began = performance.now()
  return {
    ...context,
    batches: plan.batches,
    meter: Meter.make({
      steps,
      tokensPerStep: plan.tokensPerStep,
      evaluationsAfter: (step) =>
        Math.ceil(steps / config.evaluateEvery) - Math.floor(step / config.evaluateEvery),
      // A forward pass is about a third of a step's work.
      evaluationInSteps: (plan.evaluation.length * plan.spec.sequenceLength) / plan.tokensPerStep / 3
    }),
    saves: SaveSchedule.make(config, began),
    began,
    state: start
  }
}

/** Epochs done after `step` steps. */
export const epochAt = ({ config, plan, state }: LoopRun, step: number): number =>
  plan.batches.epochsAt(step * config.gradientAccumulationSteps + state.shift)

/** Whether the model is evaluated after this step. */
export const evaluatesAt = ({ config, plan }: LoopRun, step: number): boolean =>
  plan.evaluation.length > 0 && (step === plan.schedule.steps || step % config.evaluateEvery === 0)

/** The state with the seconds of this run added. */
export const timed = ({ began, start, state }: LoopRun, now: number): State => ({
  ...state,
  seconds: start.seconds + (now - began) / 1000
})

/** For JSON, which has no NaN. */
export const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)
