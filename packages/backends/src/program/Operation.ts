/**
 * What an operation is: its arguments, the shapes of its results, how it becomes primitives, and the rule that appends its gradient.
 * Each operation's own file under `operations/` states its formula and source. docs/operations.md says how to add one.
 */
import type { Example, Pick } from "./Example.ts"
import type { Expansion } from "./Expansion.ts"
import type { Attributes, DataType, Shape, Step, Tensor } from "./Program.ts"

export type { Shape }

export interface Argument {
  readonly name: string
  readonly type: DataType
  /** Integers are taken as well, and become float32. */
  readonly orIntegers?: boolean
  /** May be `""` in a step. */
  readonly optional?: boolean
}

/**
 * What a gradient rule is given and may do. Names are tensor names in the program being extended.
 */
export interface GradientContext {
  readonly inputs: ReadonlyArray<string>
  readonly outputs: ReadonlyArray<string>
  readonly attributes: Attributes
  /** Gradient of the loss with respect to output `index`; undefined when nothing depends on that output. */
  readonly outputGradient: (index: number) => string | undefined
  /** Whether anything needs the gradient of input `index`. */
  readonly wants: (index: number) => boolean
  /**
   * Appends a backward step. `results[i]` is the index of the forward input whose gradient is the step's output `i`
   * (null: no such result). Sums with other contributions are arranged by `differentiate`.
   */
  readonly append: (
    operation: string,
    inputs: ReadonlyArray<string>,
    attributes: Attributes,
    results: ReadonlyArray<number | null>
  ) => void
  /** States that the gradient of input `index` is this existing tensor, unchanged. */
  readonly pass: (index: number, gradient: string) => void
}

export interface Operation {
  readonly name: string
  readonly inputs: ReadonlyArray<Argument>
  /** When set, the last input may repeat (at least once), or be left out as well where this is 0. */
  readonly variadic?: boolean | 0
  readonly outputs: ReadonlyArray<Argument>
  /** Outputs (by index) that are the same tensor as an input (by index), updated in place. */
  readonly inPlace?: ReadonlyArray<{ readonly output: number; readonly input: number }>
  /** Whether a step reaches its tensors through views: it may write parts of a tensor, and update an input in place. */
  readonly views?: boolean
  /** Whether its matrix products may be taken in the session's precision; all else is float32. */
  readonly inPrecision?: boolean
  /** Whether a step may list this operation's outputs under `accumulate`. */
  readonly accumulates?: boolean
  /** Names of the attributes that a step must carry. */
  readonly attributes: ReadonlyArray<string>
  /**
   * Shapes of the outputs, given those of the inputs. Throws nothing: a mismatch comes back as a sentence.
   * `wanted` holds the shapes that a step's outputs already have, for the results whose shape the inputs do not fix
   * (the gradient of a table has as many rows as the table).
   */
  readonly infer: (
    inputs: ReadonlyArray<Shape | undefined>,
    attributes: Attributes,
    wanted: ReadonlyArray<Shape | undefined>
  ) => ReadonlyArray<Shape> | string
  /** What is wrong with a step whose tensors are declared, beside its shapes. An operation that has this checks its attributes itself. */
  readonly check?: (step: Step, tensor: (name: string) => Tensor) => string | undefined
  /** How it becomes primitives, for engines without a kernel for it. Throws `ProgramError` where it cannot. */
  readonly expand?: (expansion: Expansion) => void
  /** An example of its inputs, for the contract suite. */
  readonly example?: (pick: Pick) => Example
  /** Derived from the expansion where it is absent. */
  readonly gradient?: (context: GradientContext) => void
}
