/**
 * What an optimizer is: the state that it keeps for a parameter, and the steps that move the parameter. See docs/operations.md.
 */
import type { Builder } from "../Builder.ts"
import type { Shape } from "../Operation.ts"
import type { Tensor } from "../Program.ts"

/** A parameter, or a state tensor, by name and shape. */
export interface Held {
  readonly name: string
  readonly shape: Shape
}

/** What an optimizer is given for one parameter. */
export interface Update {
  readonly builder: Builder
  readonly parameter: Tensor
  readonly gradient: Tensor
  /** f32 [1], what the gradient is multiplied by. Where it is not finite, nothing may change. */
  readonly scale: Tensor
  /** f32 [1]. */
  readonly learningRate: Tensor
  /** i32 [1], counted from 1. */
  readonly step: Tensor
}

export interface Optimizer {
  readonly name: string
  /** Name of the input f32 [1] that holds its learning rate. */
  readonly learningRate: string
  /** What it keeps for a parameter from step to step: zero at first, saved with a checkpoint. */
  readonly state: (parameter: Held) => ReadonlyArray<Held>
  /** Appends the steps that update a parameter and its state, which the program declares by the names that `state` gives. */
  readonly append: (update: Update) => void
}
