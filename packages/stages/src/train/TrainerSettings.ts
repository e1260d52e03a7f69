/** What a trainer is made with. */
import type { Initialization, Spec } from "../model/Parameters.ts"
import type { Optimizers } from "./optimizers.ts"
import type { Teacher } from "./Teacher.ts"
import type * as WeightAverage from "./WeightAverage.ts"

export interface Settings {
  readonly spec: Spec
  readonly batchSize: number
  /** Whether attention stays within documents while training. */
  readonly masksDocuments: boolean
  /** Lengths of the windows that training will have, and of those that it begins with. */
  readonly lengths: ReadonlyArray<number>
  readonly firstLength: number
  /** Batches whose gradients make one update. */
  readonly gradientAccumulationSteps: number
  /** Whether the loss must be known before the update is made, so that the update can be skipped. */
  readonly checkBeforeUpdate: boolean
  readonly optimizers: Optimizers
  /** Whose predictions are mixed into the loss. */
  readonly teacher?: Teacher | undefined
  /** Largest global norm of the gradients; 0 does not clip. */
  readonly gradientClip: number
  /** Where the average of the weights is kept; without it there is none. */
  readonly averageStorage?: WeightAverage.Storage | undefined
  /** Whether the average begins at the initial weights; otherwise at its first update. */
  readonly averagesFromStart: boolean
  /** Whether evaluation and generation divide the logits by a temperature. */
  readonly calibrates: boolean
  readonly seed: number
  /** How weights begin that are not given. */
  readonly initialization: Initialization
  /** Shortest time after which a program that goes on running counts as hanging. */
  readonly hangSeconds: number
}
