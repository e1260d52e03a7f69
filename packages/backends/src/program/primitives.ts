/**
 * The primitives: the few operations that every engine has and that all others expand into. Shapes and strides are in their attributes, so
 * that transposes, slices, broadcasts and windows cost no step of their own.
 */
import type { Attributes, Step } from "./Program.ts"

/**
 * How a tensor's elements are reached from coordinates in a step's `shape`: element `offset + Σ coordinate[axis] · strides[axis]` of the
 * tensor's row-major numbers. A stride of 0 broadcasts. With `low` and `high`, an input is 0 and an output is not written where
 * a coordinate is outside [low[axis], high[axis]): padding.
 */
export interface View {
  readonly offset: number
  readonly strides: ReadonlyArray<number>
  readonly low?: ReadonlyArray<number>
  readonly high?: ReadonlyArray<number>
}

/** Most axes of a step's shape. */
export const mostAxes = 6

/**
 * `map`: y[view(coordinates)] = formula(inputs at coordinates). Inputs may be i32, whose numbers become float32. There may be no input.
 * The output's view must reach every element at most once. An output that is also an input must have the same view there (in place).
 */
export interface MapAttributes {
  readonly shape: ReadonlyArray<number>
  readonly formula: string
  /** Names of the inputs in the formula, in order. */
  readonly names: ReadonlyArray<string>
  /** One for each input, then the output's. */
  readonly views: ReadonlyArray<View>
  /** Shape of the output tensor. */
  readonly result: ReadonlyArray<number>
}

/**
 * `reduce`: as `map`, and the last `over` axes of the shape are summed (or their largest value taken). The output's view has the axes before
 * these. The order of summation does not depend on the number of threads.
 */
export interface ReduceAttributes extends MapAttributes {
  readonly kind: "sum" | "max"
  readonly over: number
}

/**
 * `product`: y[.., m, n] = Σ k a[.., m, k] · b[.., n, k]. shape is [.., M, N, K]; a's view has axes [.., M, K], b's [.., N, K] and y's
 * [.., M, N]; none has `low` or `high`. May be taken in the session's precision, with float32 sums.
 */
export interface ProductAttributes {
  readonly shape: ReadonlyArray<number>
  readonly views: readonly [a: View, b: View, y: View]
  readonly result: ReadonlyArray<number>
}

/*
 * `gather`: y[.., c] = table[index[..], c]; table [V, C], index i32 [..]. A negative index gives zeros; one of V or more is a failure of the run.
 * `scatterAdd`: y[v, c] = Σ over index[..] = v of x[.., c], rows in ascending order; x [.., C], index i32 [..]; attribute `rows` V. A negative index is
 * left out; one of V or more is a failure of the run. Both are plain row-major, without views.
 */

export const primitiveNames = ["map", "reduce", "product", "gather", "scatterAdd"] as const
export type PrimitiveName = (typeof primitiveNames)[number]

export const isPrimitive = (operation: string): operation is PrimitiveName =>
  (primitiveNames as ReadonlyArray<string>).includes(operation)

/** The attributes of a step of that primitive: how they were written is checked by `verify`. */
export const mapAttributes = (step: { readonly attributes: Attributes }) =>
  step.attributes as unknown as MapAttributes
export const reduceAttributes = (step: Pick<Step, "attributes">) =>
  step.attributes as unknown as ReduceAttributes
export const productAttributes = (step: Pick<Step, "attributes">) =>
  step.attributes as unknown as ProductAttributes
