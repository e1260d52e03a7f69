/** What a kernel of the reference engine is given, and how it pauses and fails. */
import type { Shape } from "../program/Operation.ts"
import type { Attributes } from "../program/Program.ts"

/** Float32 in an engine; float64 where a test wants more digits than an engine keeps. */
export type Floats = Float32Array | Float64Array

/** One step to compute. Indexes count the operation's inputs and outputs in its own order. */
export interface Call {
  readonly shape: (input: number) => Shape
  readonly outputShape: (output: number) => Shape
  /** Number of inputs, which matters to operations that take any number. */
  readonly inputs: number
  /** The f32 values of an input, of length 0 when an optional one is absent. */
  readonly floats: (input: number) => Floats
  /** The i32 values of an input. */
  readonly integers: (input: number) => Int32Array
  readonly attribute: (name: string) => number
  /** The attributes as they are, for those that are not numbers. */
  readonly attributes: Attributes
  /** Whether anybody wants this output. */
  readonly wants: (output: number) => boolean
  /** Gives one element of an output its value: replaces it, or adds to it when the step accumulates. Nothing if unwanted. */
  readonly put: (output: number, element: number, value: number) => void
}

/**
 * Computes a step. Yields nothing wherever it can pause, which it does often enough for the event loop to breathe, and yields a
 * sentence to fail. Sums are taken in float64 and rounded once, when they are put.
 */
export type Kernel = (call: Call) => Generator<string | undefined, void>
