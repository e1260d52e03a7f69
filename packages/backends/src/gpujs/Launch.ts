/** Kernels as they are launched, and the matrices between them. */

/** A value during a run: a session tensor as it was, an input, something computed on the host from inputs, or a launch's result. */
export interface Value {
  readonly id: number
  readonly rows: number
  readonly columns: number
  /** Where it is some rows of another value, which is no part itself. */
  readonly part?: { readonly of: Value; readonly row: number }
}

/** What a launch reads or makes when it reads or makes this value. */
export const wholeOf = (value: Value): Value => value.part?.of ?? value

/** The row of the whole at which a value begins. */
export const firstRow = (value: Value): number => value.part?.row ?? 0

/** One run of one kernel. Thread x is a column of the result, thread y a row. */
export interface Launch {
  /** Text of a JavaScript function in the subset that gpu.js compiles. Launches of one text share a kernel. */
  readonly source: string
  /** None of them a part of another. */
  readonly inputs: ReadonlyArray<Value>
  readonly result: Value
  /** Each thread gives four neighbouring columns, as an array; thread x counts fours. */
  readonly four: boolean
}

/** What kernels may do in the mode that they are written for. */
export interface Dialect {
  /** They may read a matrix as one flat array: everywhere but in plain JavaScript, where it is nested ones. */
  readonly flat: boolean
  /** How their products may give four outputs a thread: neighbouring columns, the same column of neighbouring rows, or not. */
  readonly four: "columns" | "rows" | "no"
}
