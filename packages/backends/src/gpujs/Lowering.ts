/**
 * How programs become gpu.js kernels. Every tensor is a matrix here, rows by columns, the last axis being the columns; every
 * kernel reads some matrices and makes a new one, so that an update in place is simply a new value under an old name.
 */
import type { Inputs } from "../Backend.ts"
import { rows, width } from "../program/operations/shape.ts"
import type { DataType, Program, Shape, Step } from "../program/Program.ts"
import { fuseLaunches, type Draft as LaunchDraft } from "./fuseLaunches.ts"
import { type Dialect, firstRow, type Launch, type Value, wholeOf } from "./Launch.ts"
import { readWholes } from "./readArguments.ts"
import { stacksOf } from "./stacks.ts"

export type { Dialect, Launch, Value } from "./Launch.ts"

/** A matrix that the host makes from the program's inputs before the run: token order, dropout masks, bias corrections. */
export interface Upload {
  readonly value: Value
  readonly make: (inputs: Inputs) => Float32Array
}

/** A session tensor or f32 input as it is before the run, or several of the session's below one another. */
export interface Given {
  /** From the top. */
  readonly names: ReadonlyArray<string>
  readonly value: Value
}

export interface Lowered {
  readonly program: Program
  readonly launches: ReadonlyArray<Launch>
  readonly uploads: ReadonlyArray<Upload>
  readonly given: ReadonlyArray<Given>
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
  readonly type: (input: number) => DataType
  /** The value of an i32 input of this name, its numbers as floats. */
  readonly integers: (name: string) => Value
  /** What an output's tensor held before this step; undefined where it held nothing. */
  readonly before: (output: number) => Value | undefined
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
  /** Some rows of a value. */
  readonly part: (of: Value, row: number, rows: number) => Value
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

/** What a program has been lowered to so far. */
class Draft {
  readonly #program: Program
  readonly #launches: Array<LaunchDraft> = []
  readonly #uploads = new Map<string, Upload>()
  readonly #stacks: ReadonlyArray<ReadonlyArray<string>>
  readonly #given: Array<Given> = []
  readonly #current = new Map<string, Value>()
  readonly #known = new Map<string, Value>()
  #count = 0

  constructor(program: Program, dialect: Dialect) {
    this.#program = program
    this.#stacks = stacksOf(program, dialect)
  }

  /** A tensor's present value. */
  readonly read = (name: string): Value => {
    const value = this.#current.get(name)
    if (value !== undefined) return value
    const names = this.#stacks.find((stack) => stack.includes(name)) ?? [name]
    const { columns, rows } = matrix(this.#program.tensors[name]!.shape)
    const whole = { id: this.#count++, rows: rows * names.length, columns }
    this.#given.push({ names, value: whole })
    for (const [index, one] of names.entries())
      this.#current.set(one, names.length === 1 ? whole : this.part(whole, index * rows, rows))
    return this.#current.get(name)!
  }

  readonly part: Context["part"] = (of, row, rows) => ({
    id: this.#count++,
    rows,
    columns: of.columns,
    part: { of: wholeOf(of), row: firstRow(of) + row }
  })

  readonly launch: Context["launch"] = (rows, columns, inputs, body, four = false) => {
    const read = readWholes(inputs, body)
    const key = `${rows} ${columns} ${read.inputs.map((input) => input.id).join()} ${read.body}`
    const before = this.#known.get(key)
    if (before !== undefined) return before
    const result = { id: this.#count++, rows, columns }
    this.#launches.push({ ...read, result, four })
    this.#known.set(key, result)
    return result
  }

  readonly upload: Context["upload"] = (key, rows, columns, make) => {
    const before = this.#uploads.get(key)
    if (before !== undefined) return before.value
    const value = { id: this.#count++, rows, columns }
    this.#uploads.set(key, { value, make })
    return value
  }

  readonly integers: Context["integers"] = (name) => {
    const { columns, rows } = matrix(this.#program.tensors[name]!.shape)
    return this.upload(`integers ${name}`, rows, columns, (inputs) => Float32Array.from(inputs[name] ?? []))
  }

  /** What a tensor holds already, if anything. */
  before(name: string): Value | undefined {
    const role = this.#program.tensors[name]?.role
    const isHeld = role === "parameter" || role === "state" || this.#current.has(name)
    return isHeld ? this.read(name) : undefined
  }

  put(name: string, value: Value, adds: boolean): void {
    const sum = "return a[this.thread.y][this.thread.x] + b[this.thread.y][this.thread.x];"
    this.#current.set(
      name,
      adds ? this.launch(value.rows, value.columns, [this.read(name), value], sum) : value
    )
  }

  done(): Lowered {
    const { outputs, tensors } = this.#program
    for (const name of outputs) this.read(name)
    const wanted = new Set(
      [...this.#current].flatMap(([name, value]) => {
        const role = tensors[name]?.role
        const outlives = role === "parameter" || role === "state" || outputs.includes(name)
        return outlives ? [wholeOf(value).id] : []
      })
    )
    return {
      program: this.#program,
      launches: fuseLaunches(this.#launches, wanted).map(
        ({ body, four, inputs, names, result }): Launch => ({
          source: `function (${names.join(", ")}) {\n${body}\n}`,
          inputs,
          result,
          four
        })
      ),
      uploads: [...this.#uploads.values()],
      given: this.#given,
      final: this.#current
    }
  }
}

const contextOf = (draft: Draft, program: Program, step: Step, dialect: Dialect): Context => {
  const shapeOf = (name: string | undefined) => program.tensors[name ?? ""]?.shape ?? []
  return {
    step,
    dialect,
    shape: (input) => shapeOf(step.inputs[input]),
    outputShape: (output) => shapeOf(step.outputs[output]),
    has: (input) => step.inputs[input] !== "",
    wants: (output) => step.outputs[output] !== "",
    attribute: (name) => Number(step.attributes[name]),
    input: (input) => draft.read(step.inputs[input]!),
    type: (input) => program.tensors[step.inputs[input] ?? ""]?.type ?? "f32",
    before: (output) => {
      const name = step.outputs[output]!
      return step.accumulate.includes(name) ? undefined : draft.before(name)
    },
    name: (input) => step.inputs[input]!,
    launch: draft.launch,
    part: draft.part,
    upload: draft.upload,
    integers: draft.integers,
    put: (output, value) => {
      const name = step.outputs[output]!
      if (name !== "") draft.put(name, value, step.accumulate.includes(name))
    }
  }
}

/** Turns a valid program into launches. Throws `ProgramError` where kernels cannot count a matrix's elements. */
export const lower = (
  program: Program,
  lowerings: Readonly<Record<string, Lower | undefined>>,
  dialect: Dialect
): Lowered => {
  const draft = new Draft(program, dialect)
  for (const step of program.steps) lowerings[step.operation]!(contextOf(draft, program, step, dialect))
  return draft.done()
}
