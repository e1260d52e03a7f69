/** Kernels as they are launched, and the matrices between them. */

/** A value during a run: a session tensor as it was, an input, something computed on the host from inputs, or a launch's result. */
export interface Value {
  readonly id: number
  readonly rows: number
  readonly columns: number
}

/** One run of one kernel. Thread x is a column of the result, thread y a row. */
export interface Launch {
  /** Text of a JavaScript function in the subset that gpu.js compiles. Launches of one text share a kernel. */
  readonly source: string
  readonly inputs: ReadonlyArray<Value>
  readonly result: Value
  /** Each thread gives four neighbouring columns, as an array; thread x counts fours. */
  readonly four: boolean
}
