/**
 * Joins steps of programs that read few tokens, as in generation, where waiting for each other after a step costs as much as the step: a
 * normalisation with all products that read it, so that each thread normalises the rows for itself; and what is done to queries and keys head by
 * head with the attention that reads them.
 *
 * Takes and gives steps in the form of the native engine's kernels: see `fuse.ts` and cpp/program.h.
 */
import { type Attribute, type Program, type Step, sizeOf } from "../program/Program.ts"

/** With no more rows than these, normalising all of them costs less than waiting for others. */
const fewRows = 16

/** Who makes and who reads each tensor; `undefined` reads a program's outputs. One that is written more than once has no maker. */
interface Uses {
  readonly maker: (name: string) => Step | undefined
  readonly isWrittenAgain: (name: string) => boolean
  readonly readers: (name: string) => ReadonlyArray<Step | undefined>
}

const usesOf = (program: Program): Uses => {
  const makers = new Map<string, Step>()
  const again = new Set<string>()
  const readers = new Map<string, Array<Step | undefined>>()
  const read = (name: string, step: Step | undefined) => {
    if (name !== "") readers.set(name, [...(readers.get(name) ?? []), step])
  }
  for (const step of program.steps) {
    for (const name of step.inputs) read(name, step)
    for (const name of step.outputs) {
      if (makers.has(name)) again.add(name)
      if (name !== "") makers.set(name, step)
    }
  }
  for (const name of program.outputs) read(name, undefined)
  return {
    maker: (name) => (again.has(name) ? undefined : makers.get(name)),
    isWrittenAgain: (name) => again.has(name),
    readers: (name) => readers.get(name) ?? []
  }
}

/** Steps to leave out, and others instead of some. */
interface Changes {
  readonly gone: Set<Step>
  readonly instead: Map<Step, Step>
}

/** A step's only result where nothing but another step's one input needs it. */
const isPassedOn = (program: Program, uses: Uses, step: Step): boolean => {
  const [result = ""] = step.outputs
  return (
    program.tensors[result]?.role === "activation" &&
    step.accumulate.length === 0 &&
    uses.readers(result).length === 1
  )
}

/** Normalises the rows of a product where it is taken. */
const joinNorm = (program: Program, uses: Uses, norm: Step, { gone, instead }: Changes): void => {
  const [result = ""] = norm.outputs
  const [x = "", gain = ""] = norm.inputs
  const { role, shape } = program.tensors[result] ?? { role: undefined, shape: [] }
  const readers = uses.readers(result)
  const width = shape.at(-1) ?? 0
  const isFew = sizeOf(shape) <= fewRows * width && sizeOf(program.tensors[gain]?.shape ?? []) === width
  const joins = (reader: Step | undefined): reader is Step =>
    reader?.operation === "linear" &&
    reader.inputs.indexOf(result) === 0 &&
    !reader.inputs.includes(result, 1)
  if (role !== "activation" || norm.accumulate.length > 0 || !isFew || !readers.every(joins)) return
  if (uses.isWrittenAgain(x) || uses.isWrittenAgain(result)) return
  for (const reader of readers) {
    const [, weight = "", bias = "", residual = "", , , gate = ""] = reader.inputs
    instead.set(reader, {
      ...reader,
      inputs: [x, weight, bias, residual, gain, "", gate],
      attributes: { ...reader.attributes, ...norm.attributes, rms: 1 }
    })
  }
  gone.add(norm)
}

/** What is done to queries or keys before attention reads them. */
interface Rotated {
  readonly from: string
  readonly gain: string
  readonly steps: ReadonlyArray<Step>
  readonly theta: Attribute | undefined
  readonly epsilon: Attribute | undefined
}

const rotatedAs = (
  program: Program,
  uses: Uses,
  name: string,
  { heads, offset }: { readonly heads: unknown; readonly offset: string | undefined }
): Rotated | undefined => {
  const rope = uses.maker(name)
  if (rope?.operation !== "rope" || !isPassedOn(program, uses, rope)) return undefined
  const { heads: own, inverse, theta } = rope.attributes
  const [x = ""] = rope.inputs
  if (own !== heads || rope.inputs[1] !== offset || (inverse ?? false) !== false) return undefined
  if (uses.isWrittenAgain(x)) return undefined
  const norm = uses.maker(x)
  const gain = norm?.inputs[1] ?? ""
  const width = (program.tensors[name]?.shape.at(-1) ?? 0) / Number(own)
  const isNormed =
    norm?.operation === "rmsNorm" &&
    !uses.isWrittenAgain(norm.inputs[0] ?? "") &&
    isPassedOn(program, uses, norm) &&
    sizeOf(program.tensors[gain]?.shape ?? []) === width
  return isNormed
    ? { from: norm.inputs[0] ?? "", gain, steps: [norm, rope], theta, epsilon: norm.attributes.epsilon }
    : { from: x, gain: "", steps: [rope], theta, epsilon: undefined }
}

/** Normalises and rotates queries and keys of one new token where attention reads them. */
const joinRotation = (program: Program, uses: Uses, attention: Step, { gone, instead }: Changes): void => {
  const [query = "", key = "", value = "", keys = "", values = "", offset = "", slots = ""] = attention.inputs
  const { groups, heads } = attention.attributes
  if (program.tensors[query]?.shape[1] !== 1) return
  const first = rotatedAs(program, uses, query, { heads, offset })
  const second = rotatedAs(program, uses, key, { heads: groups, offset })
  if (first === undefined || second === undefined) return
  if (first.theta !== second.theta || first.epsilon !== second.epsilon) return
  for (const step of [...first.steps, ...second.steps]) gone.add(step)
  instead.set(attention, {
    ...attention,
    inputs: [first.from, second.from, value, keys, values, offset, slots, first.gain, second.gain],
    attributes: {
      ...attention.attributes,
      rotates: 1,
      ...(first.theta === undefined ? {} : { theta: first.theta }),
      ...(first.epsilon === undefined ? {} : { epsilon: first.epsilon })
    }
  })
}

/** The same program in fewer steps. */
export const fuseSmallBatch = (program: Program): Program => {
  const uses = usesOf(program)
  const changes: Changes = { gone: new Set(), instead: new Map() }
  for (const step of program.steps) {
    if (step.operation === "rmsNorm") joinNorm(program, uses, step, changes)
    if (step.operation === "groupedAttentionCached") joinRotation(program, uses, step, changes)
  }
  const steps = program.steps.flatMap((step) =>
    changes.gone.has(step) ? [] : [changes.instead.get(step) ?? step]
  )
  return { ...program, steps }
}
