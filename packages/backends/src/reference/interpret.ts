/**
 * Runs a valid program one step after the other over named arrays: the living definition of what a program means.
 *
 * Activations start as poison, a NaN that no arithmetic makes, and a step that reads poison fails by name: so nothing that an
 * earlier step forgot to write goes unnoticed.
 */
import { Effect } from "effect"
import { EngineFailure, type EngineName, type Inputs } from "../Backend.ts"
import { expandStep } from "../program/expand.ts"
import type { Shape } from "../program/Operation.ts"
import type { OperationName } from "../program/operations.ts"
import { type Program, type Step, sizeOf } from "../program/Program.ts"
import type { Call, Floats } from "./Kernel.ts"
import { type Kernels, kernels as referenceKernels } from "./kernels.ts"

/** Values of all tensors of a program in the middle of a run, by name. */
export type Memory = Map<string, Floats | Int32Array>

/** Longest time in milliseconds that the event loop waits for a kernel. */
const patienceMilliseconds = 10

/** Bits of the quiet NaN that marks a float nobody has written. */
const poison = 0x7fc0dead

const poisoned = (values: Float32Array): number => {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  return bits.indexOf(poison)
}

/** Elements that no step has written yet. */
export const unwrittenIn = (values: Float32Array): ReadonlySet<number> => {
  if (poisoned(values) === -1) return new Set()
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  return new Set([...bits.keys()].filter((at) => bits[at] === poison))
}

const unwritten = (shape: Shape): Float32Array => {
  const values = new Float32Array(sizeOf(shape))
  new Uint32Array(values.buffer).fill(poison)
  return values
}

/** All tensors of a program: those of the session as they are, inputs as given, activations as poison. */
export const remember = (
  program: Program,
  session: ReadonlyMap<string, Float32Array>,
  inputs: Inputs
): Memory => {
  const memory: Memory = new Map()
  for (const { name, role, shape, type } of Object.values(program.tensors)) {
    const held = role === "input" ? inputs[name] : session.get(name)
    if (held !== undefined) memory.set(name, held)
    else if (type === "i32") memory.set(name, new Int32Array(sizeOf(shape)))
    else memory.set(name, unwritten(shape))
  }
  return memory
}

const nothing = new Float32Array(0)
const noIntegers = new Int32Array(0)

const callOf = (program: Program, step: Step, memory: Memory): Call => {
  const inputs = step.inputs.map((name) => memory.get(name))
  const outputs = step.outputs.map((name) => memory.get(name))
  const adds = step.outputs.map((name) => step.accumulate.includes(name))
  const shape = (name: string) => program.tensors[name]?.shape ?? []
  return {
    inputs: inputs.length,
    shape: (input) => shape(step.inputs[input] ?? ""),
    outputShape: (output) => shape(step.outputs[output] ?? ""),
    floats: (input) => {
      const values = inputs[input]
      return values === undefined || values instanceof Int32Array ? nothing : values
    },
    integers: (input) => {
      const values = inputs[input]
      return values instanceof Int32Array ? values : noIntegers
    },
    attribute: (name) => Number(step.attributes[name]),
    attributes: step.attributes,
    wants: (output) => outputs[output] !== undefined,
    put: (output, element, value) => {
      const values = outputs[output]
      if (values === undefined) return
      if (adds[output]) values[element]! += value
      else values[element] = value
    }
  }
}

/** The program of one step's expansion, with its activations in `memory`, in the precision of the step's own tensors. */
const expanded = (program: Program, step: Step, memory: Memory): Program => {
  const { steps, tensors } = expandStep(program, step)
  const isWide = [...step.inputs, ...step.outputs].some((name) => memory.get(name) instanceof Float64Array)
  for (const { name, shape } of tensors)
    memory.set(name, isWide ? new Float64Array(sizeOf(shape)) : unwritten(shape))
  return {
    ...program,
    steps,
    tensors: { ...program.tensors, ...Object.fromEntries(tensors.map((tensor) => [tensor.name, tensor])) }
  }
}

/** Computes one step in `memory`: by its kernel, or by those of the primitives that it expands into. */
export const interpretStep = Effect.fnUntraced(function* (
  engine: EngineName,
  program: Program,
  index: number,
  memory: Memory,
  kernels: Kernels = referenceKernels
): Effect.fn.Return<void, EngineFailure> {
  const step = program.steps[index]!
  const kernel = kernels[step.operation as OperationName]
  if (kernel === undefined) {
    const own = expanded(program, step, memory)
    for (const at of own.steps.keys()) yield* interpretStep(engine, own, at, memory, kernels)
    for (const name of Object.keys(own.tensors)) if (program.tensors[name] === undefined) memory.delete(name)
    return
  }
  const fail = (why: string) =>
    new EngineFailure({
      engine,
      why: `program ${program.name}, step ${index} (${step.operation}): ${why}`,
      transient: false
    })
  for (const name of [...step.inputs, ...step.accumulate]) {
    const values = memory.get(name)
    const at = values instanceof Float32Array ? poisoned(values) : -1
    if (at !== -1) return yield* fail(`reads element ${at} of ${name}, which nothing wrote`)
  }
  let started = performance.now()
  for (const fault of kernel(callOf(program, step, memory))) {
    if (fault !== undefined) return yield* fail(fault)
    if (performance.now() - started > patienceMilliseconds) {
      yield* Effect.yieldNow
      started = performance.now()
    }
  }
})

/** Computes every step of a program in `memory`, and gives way to other fibers often. */
export const interpret = Effect.fnUntraced(function* (
  engine: EngineName,
  program: Program,
  memory: Memory,
  kernels: Kernels = referenceKernels
) {
  for (let index = 0; index < program.steps.length; index++) {
    yield* interpretStep(engine, program, index, memory, kernels)
    yield* Effect.yieldNow
  }
})

/** Copies of a program's outputs. */
export const results = (program: Program, memory: Memory): Record<string, Float32Array> =>
  Object.fromEntries(program.outputs.map((name) => [name, Float32Array.from(memory.get(name) ?? [])]))
