/**
 * Examples of an operation: shapes and values to run it on. The contract suite runs many of them on an engine, beside reference, and compares
 * gradients with finite differences. So an operation says in its own file how it is tested.
 */
import type { Attributes, Shape } from "./Program.ts"

/** Random choices, repeatable. */
export interface Pick {
  /** A whole number from `least` to `most`, both included. */
  readonly integer: (least: number, most: number) => number
  readonly from: <const A>(...values: ReadonlyArray<A>) => A
  /** A side up to a limit that is likely to be wrong somewhere: 1, odd, just below, at and beyond tiles of engines. */
  readonly side: (limit: number) => number
  readonly boolean: () => boolean
}

/** Values of one input. Floats lie in (-scale, scale), 1 unless told, or in [0, scale) where `positive`. */
export type ExampleInput =
  | { readonly shape: Shape; readonly scale?: number; readonly positive?: boolean }
  /** Integers from `least`, 0 unless told, up to `below`. */
  | { readonly shape: Shape; readonly below: number; readonly least?: number }
  | { readonly shape: Shape; readonly values: ReadonlyArray<number>; readonly type: "f32" | "i32" }
  /** What an operation before this one gave: that output of `before`. */
  | { readonly output: number }

export interface Example {
  /** By name of the argument; an optional one may be left out. Inputs that are updated in place are session state. */
  readonly inputs: Readonly<Record<string, ExampleInput>>
  readonly attributes?: Attributes
  /** A step before this one, such as the forward pass. Its inputs are those of the example, by name. */
  readonly before?: {
    readonly operation: string
    readonly inputs: ReadonlyArray<string>
    readonly attributes?: Attributes
  }
  /** Shapes of the outputs that inputs do not fix. */
  readonly wanted?: ReadonlyArray<Shape>
}
