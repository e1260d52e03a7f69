/**
 * What makes a program valid, whoever wrote it. Engines call `rejection` when they prepare a program and `wrongInputs` when they
 * run one, so that all of them refuse the same things in the same words.
 */
import { Effect } from "effect"
import {
  type EngineName,
  EngineUnavailable,
  type Inputs,
  ProgramRejected,
  type Settings
} from "../Backend.ts"
import type { Operation } from "./Operation.ts"
import { same, show } from "./operations/shape.ts"
import { operationNamed } from "./operations.ts"
import { inputTensors, type Program, type Step, sessionTensors, sizeOf, type Tensor } from "./Program.ts"

const tensorFault = (key: string, tensor: Tensor): string | undefined => {
  if (tensor.name !== key) return `tensor ${key} calls itself ${tensor.name}`
  if (key === "") return "a tensor has no name"
  if (tensor.shape.length === 0 || tensor.shape.some((side) => !Number.isInteger(side) || side < 1))
    return `${key} has shape ${show(tensor.shape)}; every side must be a whole number above 0`
  if (tensor.type !== "f32" && tensor.type !== "i32") return `${key} has the unknown type ${tensor.type}`
  if ((tensor.role === "parameter" || tensor.role === "state") && tensor.type !== "f32")
    return `${key} is a ${tensor.role} and must be f32`
  return ["parameter", "state", "input", "activation"].includes(tensor.role)
    ? undefined
    : `${key} has the unknown role ${tensor.role}`
}

const countsFault = (rule: Operation, step: Step): string | undefined => {
  const least = rule.variadic === 0 ? rule.inputs.length - 1 : rule.inputs.length
  const repeats = rule.variadic !== undefined && rule.variadic !== false
  if (repeats ? step.inputs.length < least : step.inputs.length !== least)
    return `takes ${least}${repeats ? " or more" : ""} inputs, is given ${step.inputs.length}`
  return step.outputs.length === rule.outputs.length
    ? undefined
    : `gives ${rule.outputs.length} outputs, is asked for ${step.outputs.length}`
}

const inputFault = (
  rule: Operation,
  program: Program,
  step: Step,
  written: ReadonlySet<string>
): string | undefined => {
  for (const [index, name] of step.inputs.entries()) {
    const argument = rule.inputs[Math.min(index, rule.inputs.length - 1)]!
    if (name === "") {
      if (argument.optional) continue
      return `needs its input ${argument.name}`
    }
    const tensor = program.tensors[name]
    if (tensor === undefined) return `reads ${name}, which is not declared`
    if (tensor.type !== argument.type && !argument.orIntegers)
      return `takes ${argument.type} as ${argument.name}, but ${name} is ${tensor.type}`
    if (tensor.role === "activation" && !written.has(name)) return `reads ${name} before anything wrote it`
  }
  return undefined
}

const attributeFault = (rule: Operation, step: Step): string | undefined => {
  for (const attribute of rule.check === undefined ? rule.attributes : []) {
    const value = step.attributes[attribute]
    if (typeof value === "boolean") continue
    if (typeof value !== "number" || !Number.isFinite(value))
      return `needs its attribute ${attribute} as a finite number or a boolean`
  }
  return undefined
}

/** What is wrong with an output that is not updated in place. */
const writeFault = (
  rule: Operation,
  tensor: Tensor,
  step: Step,
  written: ReadonlySet<string>
): string | undefined => {
  const { name, role } = tensor
  if (step.inputs.includes(name))
    return rule.views ? undefined : `reads and writes ${name}, but does not work in place`
  if (role === "parameter") return `writes the parameter ${name}, which only an update in place may`
  if (role !== "activation") return undefined
  const adds = step.accumulate.includes(name)
  if (adds && !written.has(name)) return `adds to ${name} before anything wrote it`
  return !adds && written.has(name) && !rule.views
    ? `writes ${name}, which holds an earlier step's result`
    : undefined
}

const outputFault = (
  rule: Operation,
  program: Program,
  step: Step,
  written: ReadonlySet<string>
): string | undefined => {
  const named = step.outputs.filter((name) => name !== "")
  if (new Set(named).size !== named.length) return "writes one tensor twice"
  if (named.length === 0) return "writes nothing"
  for (const name of step.accumulate) {
    if (!rule.accumulates) return "cannot accumulate"
    if (!named.includes(name)) return `accumulates ${name}, which it does not write`
  }
  for (const [index, name] of step.outputs.entries()) {
    const result = rule.outputs[index]!
    const pair = rule.inPlace?.find((pair) => pair.output === index)
    if (pair !== undefined && step.inputs[pair.input] !== name)
      return `updates ${step.inputs[pair.input]} in place and cannot write it as ${name === "" ? "nothing" : name}`
    if (name === "") continue
    const tensor = program.tensors[name]
    if (tensor === undefined) return `writes ${name}, which is not declared`
    if (tensor.type !== result.type)
      return `gives ${result.type} as ${result.name}, but ${name} is ${tensor.type}`
    if (tensor.role === "input") return `writes ${name}, an input`
    const fault = pair === undefined ? writeFault(rule, tensor, step, written) : undefined
    if (fault !== undefined) return fault
  }
  return undefined
}

const shapeFault = (rule: Operation, program: Program, step: Step): string | undefined => {
  const shapes = rule.infer(
    step.inputs.map((name) => program.tensors[name]?.shape),
    step.attributes,
    step.outputs.map((name) => program.tensors[name]?.shape)
  )
  if (typeof shapes === "string") return shapes
  for (const [index, name] of step.outputs.entries()) {
    if (name === "") continue
    const shape = program.tensors[name]!.shape
    if (!same(shape, shapes[index]))
      return `gives ${rule.outputs[index]!.name} ${show(shapes[index])}, but ${name} is ${show(shape)}`
  }
  return undefined
}

/** Checks one step; adds what it writes to `written`. */
const stepFault = (program: Program, step: Step, written: Set<string>): string | undefined => {
  const rule = operationNamed(step.operation)
  if (rule === undefined) return `there is no operation ${step.operation}`
  const fault =
    countsFault(rule, step) ??
    inputFault(rule, program, step, written) ??
    attributeFault(rule, step) ??
    outputFault(rule, program, step, written) ??
    rule.check?.(step, (name) => program.tensors[name]!) ??
    shapeFault(rule, program, step)
  if (fault === undefined) for (const name of step.outputs) if (name !== "") written.add(name)
  return fault
}

/** A sentence that says what is wrong with a program, or undefined when it is valid. */
export const verify = (program: Program): string | undefined => {
  for (const [key, tensor] of Object.entries(program.tensors)) {
    const fault = tensorFault(key, tensor)
    if (fault !== undefined) return fault
  }
  const written = new Set<string>()
  for (const [index, step] of program.steps.entries()) {
    const fault = stepFault(program, step, written)
    if (fault !== undefined) return `step ${index} (${step.operation}) ${fault}`
  }
  for (const name of program.outputs) {
    const tensor = program.tensors[name]
    if (tensor === undefined) return `its output ${name} is not declared`
    if (tensor.type !== "f32") return `its output ${name} must be f32`
    if (tensor.role === "activation" && !written.has(name)) return `nothing writes its output ${name}`
  }
  return undefined
}

/** Fails when the program is not valid, or needs a session tensor that is not held, or is held with another shape. */
export const rejection = (
  engine: EngineName,
  program: Program,
  held: ReadonlyArray<Tensor>
): Effect.Effect<void, ProgramRejected> => {
  const reject = (why: string) => Effect.fail(new ProgramRejected({ engine, program: program.name, why }))
  const wrong = verify(program)
  if (wrong !== undefined) return reject(wrong)
  const byName = new Map(held.map((tensor) => [tensor.name, tensor]))
  for (const tensor of sessionTensors(program)) {
    const mine = byName.get(tensor.name)
    if (mine === undefined) return reject(`the session holds no ${tensor.role} ${tensor.name}`)
    if (!same(mine.shape, tensor.shape))
      return reject(`${tensor.name} is ${show(tensor.shape)} here and ${show(mine.shape)} in the session`)
  }
  return Effect.void
}

/** A sentence about session tensors that no session can hold, or undefined. Engines call it in `open`. */
export const wrongSession = (tensors: ReadonlyArray<Tensor>): string | undefined => {
  const seen = new Set<string>()
  for (const tensor of tensors) {
    const fault = tensorFault(tensor.name, tensor)
    if (fault !== undefined) return fault
    if (tensor.role !== "parameter" && tensor.role !== "state")
      return `${tensor.name} is an ${tensor.role}; a session holds parameters and state`
    if (seen.has(tensor.name)) return `${tensor.name} is given twice`
    seen.add(tensor.name)
  }
  return undefined
}

/** Refuses a session that an engine which computes in float32 alone cannot open. */
export const checkFloat32Session = Effect.fnUntraced(function* (
  engine: string,
  tensors: ReadonlyArray<Tensor>,
  { precision }: Settings
): Effect.fn.Return<void, EngineUnavailable | ProgramRejected> {
  if (precision !== "f32")
    return yield* new EngineUnavailable({
      engine,
      why: `it computes in f32 alone, not ${precision}`,
      hint: "Ask for --precision f32, or for another engine."
    })
  const wrong = wrongSession(tensors)
  if (wrong !== undefined) return yield* new ProgramRejected({ engine, program: "(session)", why: wrong })
})

/** For each run of a program: a sentence about inputs that are absent, unknown, or of the wrong type or length, or undefined. */
export const inputCheck = (program: Program) => {
  const wanted = inputTensors(program).map((tensor) => ({ tensor, size: sizeOf(tensor.shape) }))
  const known = new Set(wanted.map(({ tensor }) => tensor.name))
  return (inputs: Inputs): string | undefined => {
    for (const { size, tensor } of wanted) {
      const values = Object.hasOwn(inputs, tensor.name) ? inputs[tensor.name] : undefined
      if (values === undefined) return `the input ${tensor.name} ${show(tensor.shape)} is not given`
      const wantedType = tensor.type === "f32" ? "Float32Array" : "Int32Array"
      const isRight = tensor.type === "f32" ? values instanceof Float32Array : values instanceof Int32Array
      if (!isRight) return `the input ${tensor.name} must be a ${wantedType}`
      if (values.length !== size)
        return `the input ${tensor.name} ${show(tensor.shape)} has ${size} elements, ${values.length} are given`
    }
    const extra = Object.keys(inputs).find((name) => !known.has(name))
    return extra === undefined
      ? undefined
      : `there is no input ${extra}; it takes ${[...known].join(", ") || "none"}`
  }
}

/** As `inputCheck`, of one run. */
export const wrongInputs = (program: Program, inputs: Inputs): string | undefined =>
  inputCheck(program)(inputs)

/** Why elements cannot be copied within a session tensor of so many; undefined where they can. */
export const wrongCopy = (
  tensor: string,
  length: number,
  [target, start, end]: readonly [target: number, start: number, end: number]
): string | undefined =>
  [target, start, end].every((place) => Number.isSafeInteger(place) && place >= 0) &&
  start <= end &&
  end <= length &&
  target + end - start <= length
    ? undefined
    : `elements ${start} to ${end} of ${tensor}, which has ${length}, cannot be copied to ${target}`
