/**
 * How programs become dispatches of kernels. A tensor is a buffer on the device; a step writes its results where they belong, so an update in
 * place is one. What depends on integer inputs alone, such as the order of tokens, the host makes before the run.
 */
import type { Inputs } from "../Backend.ts"
import type { DataType, Program, Shape, Step } from "../program/Program.ts"
import { sizeOf } from "../program/Program.ts"
import { ProgramError } from "../program/ProgramError.ts"
import type { Dispatch, KernelText, Value } from "./KernelText.ts"

export type { Dispatch, Value } from "./KernelText.ts"

/** Numbers that the host makes from a run's inputs. */
export interface Upload {
  readonly value: Value
  readonly make: (inputs: Inputs) => Float32Array | Int32Array
}

export interface Lowered {
  readonly program: Program
  /** In the order of execution: each sees what those before it wrote. */
  readonly dispatches: ReadonlyArray<Dispatch>
  readonly uploads: ReadonlyArray<Upload>
  /** The program's tensors that dispatches use, by name. */
  readonly tensors: ReadonlyMap<string, Value>
}

/** What an adapter allows, as far as kernels are written for it. */
export interface Limits {
  /** Most bytes of a buffer that a kernel sees. */
  readonly bytes: number
  /** Most buffers that a kernel sees. */
  readonly buffers: number
}

/** A result: its buffer, and whether it is added to what that holds. */
export interface Result {
  readonly value: Value
  readonly adds: boolean
}

/** The statement that stores an expression in a result. */
export const store = (kernel: KernelText, { adds, value }: Result, index: string, text: string): string => {
  const name = kernel.write(value)
  return adds ? `${name}[${index}] = ${name}[${index}] + ${text};` : `${name}[${index}] = ${text};`
}

/** What an operation's lowering is given. */
export interface Context {
  readonly step: Step
  readonly limits: Limits
  readonly shape: (input: number) => Shape
  readonly outputShape: (output: number) => Shape
  readonly has: (input: number) => boolean
  readonly number: (attribute: string) => number
  readonly input: (input: number) => Value
  readonly optional: (input: number) => Value | undefined
  /** Where an output goes; undefined where nobody wants it. */
  readonly output: (output: number) => Result | undefined
  /** A buffer for the dispatches of this step alone. */
  readonly scratch: (length: number, type?: DataType) => Value
  /** Numbers made on the host. The same key is the same buffer. */
  readonly upload: (key: string, type: DataType, length: number, make: Upload["make"]) => Value
  readonly dispatch: (dispatch: Dispatch) => void
  /** Keeps working memory for a later step that needs the same again of these values. */
  readonly remember: (made: Value, from: ReadonlyArray<Value>) => void
  /** What was made from these values, unless one of them was written since. It is the caller's to change. */
  readonly recall: (from: ReadonlyArray<Value>) => Value | undefined
}

export type Lower = (context: Context) => void

/** What a program has been lowered to so far. */
class Draft {
  readonly #program: Program
  readonly tensors = new Map<string, Value>()
  readonly uploads = new Map<string, Upload>()
  readonly dispatches: Array<Dispatch> = []
  readonly #writes = new Map<number, number>()
  readonly #remembered = new Map<string, Value>()
  #count = 0

  constructor(program: Program) {
    this.#program = program
  }

  fresh(name: string, type: DataType, length: number): Value {
    return { id: this.#count++, name, type, length }
  }

  tensor(name: string): Value {
    const known = this.tensors.get(name)
    if (known !== undefined) return known
    const { shape, type } = this.#program.tensors[name]!
    const value = this.fresh(name, type, sizeOf(shape))
    this.tensors.set(name, value)
    return value
  }

  dispatch(dispatch: Dispatch): void {
    this.dispatches.push(dispatch)
    for (const { value, writes } of dispatch.bound)
      if (writes) this.#writes.set(value.id, (this.#writes.get(value.id) ?? 0) + 1)
  }

  #keyOf(from: ReadonlyArray<Value>): string {
    return from.map(({ id }) => `${id}@${this.#writes.get(id) ?? 0}`).join(" ")
  }

  remember(made: Value, from: ReadonlyArray<Value>): void {
    this.#remembered.set(this.#keyOf(from), made)
  }

  recall(from: ReadonlyArray<Value>): Value | undefined {
    const key = this.#keyOf(from)
    const made = this.#remembered.get(key)
    this.#remembered.delete(key)
    return made
  }

  upload(key: string, type: DataType, length: number, make: Upload["make"]): Value {
    const known = this.uploads.get(key)
    if (known !== undefined) return known.value
    const value = this.fresh(key, type, length)
    this.uploads.set(key, { value, make })
    return value
  }
}

const contextOf = (draft: Draft, program: Program, step: Step, limits: Limits): Context => {
  const shapeOf = (name: string | undefined) => program.tensors[name ?? ""]?.shape ?? []
  const isNamed = (name: string | undefined): name is string => name !== undefined && name !== ""
  return {
    step,
    limits,
    shape: (input) => shapeOf(step.inputs[input]),
    outputShape: (output) => shapeOf(step.outputs[output]),
    has: (input) => isNamed(step.inputs[input]),
    number: (attribute) => Number(step.attributes[attribute]),
    input: (input) => draft.tensor(step.inputs[input]!),
    optional: (input) => {
      const name = step.inputs[input]
      return isNamed(name) ? draft.tensor(name) : undefined
    },
    output: (output) => {
      const name = step.outputs[output]
      return isNamed(name) ? { value: draft.tensor(name), adds: step.accumulate.includes(name) } : undefined
    },
    scratch: (length, type = "f32") => draft.fresh(`working memory of ${step.operation}`, type, length),
    upload: (key, type, length, make) => draft.upload(key, type, length, make),
    dispatch: (dispatch) => draft.dispatch(dispatch),
    remember: (made, from) => draft.remember(made, from),
    recall: (from) => draft.recall(from)
  }
}

/** Compiles a program. Throws `ProgramError` where a step is beyond what kernels can do. */
export const lower = (
  program: Program,
  lowerings: Readonly<Record<string, Lower | undefined>>,
  limits: Limits
): Lowered => {
  const draft = new Draft(program)
  for (const step of program.steps) {
    const lowering = lowerings[step.operation]
    if (lowering === undefined)
      throw new ProgramError({ program: program.name, why: `it has no kernel for ${step.operation}` })
    lowering(contextOf(draft, program, step, limits))
  }
  for (const name of program.outputs) draft.tensor(name)
  return {
    program,
    dispatches: draft.dispatches,
    uploads: [...draft.uploads.values()],
    tensors: draft.tensors
  }
}
