/**
 * Replaces steps that an engine has no kernel for by the primitives that they expand into. Every engine calls `expandFor` when it prepares a
 * program, so that it runs all operations with the five primitives alone.
 */
import { Effect } from "effect"
import { type EngineName, ProgramRejected } from "../Backend.ts"
import type { Sink } from "./Expander.ts"
import { Expansion } from "./Expansion.ts"
import { operationNamed } from "./operations.ts"
import type { Program, Step, Tensor } from "./Program.ts"
import { ProgramError } from "./ProgramError.ts"
import { isPrimitive } from "./primitives.ts"
import { tidy } from "./tidy.ts"

/** Steps that were written, and the activations that they need beside the tensors there were. */
export interface Written {
  readonly steps: ReadonlyArray<Step>
  readonly tensors: ReadonlyArray<Tensor>
}

/** The scope of a step: where its first result is. */
export const scopeOf = (step: Step): string =>
  step.outputs.find((name) => name !== "")?.replace(/\.[^.]*$/, "") ?? step.operation

/** Collects primitives; new activations are called `<scope>.<number>`. What is `written` may use activations of others, `more`. */
export const collector = (
  program: string,
  known: (name: string) => Tensor | undefined,
  scope: string,
  isTaken: (name: string) => boolean = (name) => known(name) !== undefined
): Sink & { readonly written: (more?: ReadonlyArray<Tensor>) => Written } => {
  const steps: Array<Step> = []
  const fresh = new Map<string, Tensor>()
  let count = 0
  return {
    program,
    tensor: (name) => {
      const tensor = fresh.get(name) ?? known(name)
      if (tensor === undefined) throw new ProgramError({ program, why: `there is no tensor ${name}` })
      return tensor
    },
    declare: (shape) => {
      let name = ""
      do name = `${scope}.${++count}`
      while (isTaken(name))
      const tensor: Tensor = { name, shape: [...shape], type: "f32", role: "activation" }
      fresh.set(name, tensor)
      return tensor
    },
    append: (step) => steps.push(step),
    written: (more = []) => tidy({ steps, tensors: [...more, ...fresh.values()] }, known)
  }
}

/**
 * One step of a program as primitives, with what it writes under `outputs` in the place of the step's own where that is given. Throws
 * `ProgramError` where the operation has no expansion.
 */
export const expandStep = (
  program: Program,
  step: Step,
  isTaken: (name: string) => boolean = (name) => program.tensors[name] !== undefined,
  outputs: ReadonlyArray<string> = step.outputs
): Written => {
  if (isPrimitive(step.operation)) return { steps: [step], tensors: [] }
  const { expand } = operationNamed(step.operation) ?? {}
  if (expand === undefined)
    throw new ProgramError({
      program: program.name,
      why: `${step.operation} does not expand into primitives`
    })
  const sink = collector(program.name, (name) => program.tensors[name], `${scopeOf(step)}.expanded`, isTaken)
  expand(new Expansion(sink, { ...step, outputs }))
  return sink.written()
}

/** Names that a program reads, adds to or gives out. */
const readNames = (program: Program): ReadonlySet<string> =>
  new Set([
    ...program.outputs,
    ...program.steps.flatMap(({ accumulate, inputs }) => [...inputs, ...accumulate])
  ])

/**
 * The program with every step whose operation is neither among `fused` nor a primitive replaced by primitives. Results that nobody reads
 * are not computed. Its inputs, outputs and session tensors are the same. Throws `ProgramError` where an operation does not expand.
 */
export const expandFor = (program: Program, fused: ReadonlySet<string>): Program => {
  const stays = ({ operation }: Step) => isPrimitive(operation) || fused.has(operation)
  if (program.steps.every(stays)) return program
  const read = readNames(program)
  const tensors: Record<string, Tensor> = { ...program.tensors }
  const steps: Array<Step> = []
  for (const step of program.steps) {
    if (stays(step)) {
      steps.push(step)
      continue
    }
    const isDead = (name: string) => program.tensors[name]?.role === "activation" && !read.has(name)
    for (const name of step.outputs.filter(isDead)) delete tensors[name]
    const outputs = step.outputs.map((name) => (isDead(name) ? "" : name))
    const written = expandStep(program, step, (name) => tensors[name] !== undefined, outputs)
    for (const tensor of written.tensors) tensors[tensor.name] = tensor
    steps.push(...written.steps)
  }
  return { ...program, tensors, steps }
}

/**
 * `expandFor` as an engine's `prepare` needs it: fails with `ProgramRejected` where an operation neither has a kernel nor expands, or where
 * `primitives`, those that the engine has, lack one.
 */
export const expandedFor = (
  engine: EngineName,
  program: Program,
  fused: ReadonlySet<string>,
  primitives?: ReadonlySet<string>
): Effect.Effect<Program, ProgramRejected> => {
  const reject = (why: string) => Effect.fail(new ProgramRejected({ engine, program: program.name, why }))
  return Effect.suspend(() => {
    const expanded = attempt(() => expandFor(program, fused))
    if (typeof expanded === "string") return reject(expanded)
    const lacking = expanded.steps.find(
      ({ operation }) => isPrimitive(operation) && primitives?.has(operation) === false
    )
    return lacking === undefined
      ? Effect.succeed(expanded)
      : reject(`it has no kernel for the primitive ${lacking.operation}, which this program needs`)
  })
}

const attempt = (expand: () => Program): Program | string => {
  try {
    return expand()
  } catch (cause) {
    if (cause instanceof ProgramError) return cause.why
    throw cause
  }
}
