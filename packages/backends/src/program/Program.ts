/**
 * A program: a plain-data list of steps over named tensors. An engine never sees a model, only this.
 *
 * Everything here is data that survives `structuredClone`, JSON and a trip into C++. Programs are written
 * with `Builder`, extended with `differentiate`, and laid out in memory with `plan`.
 */

/** Element type of a tensor as the contract sees it. An engine may keep its own copies in another precision. */
export type DataType = "f32" | "i32"

/**
 * Where a tensor lives.
 *
 * - `parameter`: held by the session, trained.
 * - `state`: held by the session: optimizer moments, accumulated gradients, key-value caches.
 * - `input`: given anew at every run, never written by a step.
 * - `activation`: exists within one run only; the memory plan gives it a place.
 */
export type Role = "parameter" | "state" | "input" | "activation"

/** A named array of numbers in a program. */
export interface Tensor {
  readonly name: string
  /** Row-major; a scalar is `[1]`. */
  readonly shape: ReadonlyArray<number>
  readonly type: DataType
  readonly role: Role
}

/** A setting of a step: plain data. */
export type Attribute =
  | number
  | boolean
  | string
  | ReadonlyArray<Attribute>
  | { readonly [name: string]: Attribute | undefined }

/** Settings of one step that are not tensors, such as `heads` or `epsilon`. */
export type Attributes = Readonly<Record<string, Attribute>>

/** One operation on named tensors. */
export interface Step {
  /** Name of an operation in `operations/`. */
  readonly operation: string
  /** Tensor names in the operation's order. An absent optional argument is `""`. */
  readonly inputs: ReadonlyArray<string>
  /**
   * Tensor names in the operation's order; `""` for a result that nobody wants. An operation that updates in place
   * names the same tensor on both sides.
   */
  readonly outputs: ReadonlyArray<string>
  readonly attributes: Attributes
  /**
   * Outputs whose new value is added to what they hold instead of replacing it. Only operations that say
   * `accumulates` may be asked for this.
   */
  readonly accumulate: ReadonlyArray<string>
}

/** Steps over tensors: all that an engine is given. */
export interface Program {
  readonly name: string
  readonly tensors: Readonly<Record<string, Tensor>>
  /** In the order of execution: a step reads only what earlier steps, inputs or the session hold. */
  readonly steps: ReadonlyArray<Step>
  /** Tensors copied back to the caller at the end of a run. */
  readonly outputs: ReadonlyArray<string>
}

/** A tensor's shape, or undefined for an absent optional argument. */
export type Shape = ReadonlyArray<number>

/** Number of elements in a tensor of this shape. */
export const sizeOf = (shape: ReadonlyArray<number>): number =>
  shape.reduce((product, side) => product * side, 1)

/** Size in bytes; both element types are four bytes wide. */
export const bytesOf = (tensor: Tensor): number => sizeOf(tensor.shape) * 4

/** The tensors of a program that a session must hold: parameters and state. */
export const sessionTensors = (program: Program): ReadonlyArray<Tensor> =>
  Object.values(program.tensors).filter((tensor) => tensor.role === "parameter" || tensor.role === "state")

/** The tensors that must be given at every run. */
export const inputTensors = (program: Program): ReadonlyArray<Tensor> =>
  Object.values(program.tensors).filter((tensor) => tensor.role === "input")
