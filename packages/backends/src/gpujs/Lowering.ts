/**
 * How programs become gpu.js kernels. Every tensor is a matrix here, rows by columns, the last axis being the columns; every
 * kernel reads some matrices and makes a new one, so that an update in place is simply a new value under an old name.
 */
import type { Inputs } from "../Backend.ts"
import type { Shape } from "../program/Operation.ts"
import { rows, width } from "../program/operations/shape.ts"
import type { Program, Step } from "../program/Program.ts"

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

/** What kernels may do in the mode that they are written for. */
export interface Dialect {
  /** They may read a matrix as one flat array: everywhere but in plain JavaScript, where it is nested ones. */
  readonly flat: boolean
  /** How their products may give four outputs a thread: neighbouring columns, the same column of neighbouring rows, or not. */
  readonly four: "columns" | "rows" | "no"
}

/** A matrix that the host makes from the program's inputs before the run: token order, dropout masks, bias corrections. */
export interface Upload {
  readonly value: Value
  readonly make: (inputs: Inputs) => Float32Array
}

export interface Lowered {
  readonly program: Program
  readonly launches: ReadonlyArray<Launch>
  readonly uploads: ReadonlyArray<Upload>
  /** Session tensors and f32 inputs that the launches read, as they are before the run. */
  readonly given: ReadonlyMap<string, Value>
  /** Last value of every tensor. */
  readonly final: ReadonlyMap<string, Value>
}

/** What an operation's lowering is given. */
export interface Context {
  readonly step: Step
  readonly dialect: Dialect
  readonly shape: (input: number) => Shape
  readonly outputShape: (output: number) => Shape
  readonly has: (input: number) => boolean
  readonly wants: (output: number) => boolean
  readonly attribute: (name: string) => number
  /** The value of an f32 input. */
  readonly input: (input: number) => Value
  /** Name of an input, to compute from it on the host. */
  readonly name: (input: number) => string
  /** Appends a kernel with arguments a, b, c, … and this body, and gives its result. The same launch twice is one. */
  readonly launch: (
    rows: number,
    columns: number,
    inputs: ReadonlyArray<Value>,
    body: string,
    four?: boolean
  ) => Value
  /** A matrix made on the host. The same key is the same matrix. */
  readonly upload: (
    key: string,
    rows: number,
    columns: number,
    make: (inputs: Inputs) => Float32Array
  ) => Value
  /** Gives an output its value, or adds it when the step accumulates. */
  readonly put: (output: number, value: Value) => void
}

export type Lower = (context: Context) => void

/** A shape as a matrix. */
export const matrix = (shape: Shape): { readonly rows: number; readonly columns: number } => ({
  rows: rows(shape),
  columns: width(shape)
})

const argumentNames = "abcdefghijklmnop"

/** Turns a valid program into launches. */
export const lower = (
  program: Program,
  lowerings: Readonly<Record<string, Lower | undefined>>,
  dialect: Dialect
): Lowered => {
  const launches: Array<Launch> = []
  const uploads = new Map<string, Upload>()
  const given = new Map<string, Value>()
  const current = new Map<string, Value>()
  const known = new Map<string, Value>()
  let count = 0

  const read = (name: string): Value => {
    const value = current.get(name)
    if (value !== undefined) return value
    const fresh = { id: count++, ...matrix(program.tensors[name]!.shape) }
    given.set(name, fresh)
    current.set(name, fresh)
    return fresh
  }
  const launch: Context["launch"] = (rows, columns, inputs, body, four = false) => {
    const source = `function (${[...argumentNames.slice(0, inputs.length)].join(", ")}) {\n${body}\n}`
    const key = `${rows} ${columns} ${inputs.map((input) => input.id).join()} ${source}`
    const before = known.get(key)
    if (before !== undefined) return before
    const result = { id: count++, rows, columns }
    launches.push({ source, inputs, result, four })
    known.set(key, result)
    return result
  }
  for (const step of program.steps) {
    const shapeOf = (name: string | undefined) => program.tensors[name ?? ""]?.shape ?? []
    lowerings[step.operation]!({
      step,
      dialect,
      shape: (input) => shapeOf(step.inputs[input]),
      outputShape: (output) => shapeOf(step.outputs[output]),
      has: (input) => step.inputs[input] !== "",
      wants: (output) => step.outputs[output] !== "",
      attribute: (name) => Number(step.attributes[name]),
      input: (input) => read(step.inputs[input]!),
      name: (input) => step.inputs[input]!,
      launch,
      upload: (key, rows, columns, make) => {
        const before = uploads.get(key)
        if (before !== undefined) return before.value
        const value = { id: count++, rows, columns }
        uploads.set(key, { value, make })
        return value
      },
      put: (output, value) => {
        const name = step.outputs[output]!
        if (name === "") return
        current.set(
          name,
          step.accumulate.includes(name)
            ? launch(
                value.rows,
                value.columns,
                [read(name), value],
                "return a[this.thread.y][this.thread.x] + b[this.thread.y][this.thread.x];"
              )
            : value
        )
      }
    })
  }
  for (const name of program.outputs) read(name)
  return { program, launches, uploads: [...uploads.values()], given, final: current }
}
