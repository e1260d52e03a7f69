/**
 * Appends the backward steps of a program. A model is written forward only; each operation's own gradient rule says what its
 * backward step is, and this file decides where gradients live and how several contributions to one become a sum.
 *
 * Reverse-mode accumulation: Griewank, Walther 2008, "Evaluating Derivatives", chapter 3.
 */
import { type Builder, extend } from "./Builder.ts"
import { derive } from "./derive.ts"
import { Expander } from "./Expander.ts"
import { collector, expandStep, scopeOf } from "./expand.ts"
import * as GradientLedger from "./gradientLedger.ts"
import type { Operation } from "./Operation.ts"
import { type OperationName, operations } from "./operations.ts"
import { type Program, type Step, sizeOf, type Tensor } from "./Program.ts"
import { ProgramError } from "./ProgramError.ts"
import { isPrimitive } from "./primitives.ts"

export interface DifferentiateOptions {
  /** Name of the result; that of the program unless given. */
  readonly name?: string
  /**
   * Where the parameters' gradients live: within one run (the default), or as session state `<parameter>.gradient`, which
   * lets several runs add up one.
   */
  readonly gradients?: "activation" | "state"
  /** Adds to the gradients in the session instead of replacing them. Needs `gradients: "state"`. */
  readonly accumulate?: boolean
  /** Name of the f32 [1] input that holds the gradient of the loss: 1, or 1/A when A batches accumulate. */
  readonly lossGradient?: string
}

export interface Differentiated {
  readonly program: Program
  /** Parameter name to the name of its gradient. Parameters that the loss does not depend on are absent. */
  readonly gradients: Readonly<Record<string, string>>
}

/** Tensors whose value depends on a parameter: those that gradients flow through. */
const dependents = (program: Program): ReadonlySet<string> => {
  const found = new Set<string>()
  for (const tensor of Object.values(program.tensors)) if (tensor.role === "parameter") found.add(tensor.name)
  for (const step of program.steps)
    if (step.inputs.some((name) => found.has(name)))
      for (const name of step.outputs) if (program.tensors[name]?.type === "f32") found.add(name)
  return found
}

/** What appending the backward steps of one forward step needs to know. */
interface Appending {
  readonly program: Program
  readonly builder: Builder
  readonly ledger: GradientLedger.GradientLedger
  readonly flows: ReadonlySet<string>
  readonly options: DifferentiateOptions
  /** Whether no step before this one writes a tensor too, a part of it for example. */
  readonly isFirstWriter: (step: Step, name: string) => boolean
  readonly fail: (why: string) => never
}

const ruleOf = (operation: string): Operation => operations[operation as OperationName]

/** Whether a gradient flows to an input of a step. */
const wantedOf =
  (step: Step, flows: ReadonlySet<string>) =>
  (index: number): boolean => {
    const name = step.inputs[index]
    return name !== undefined && name !== "" && flows.has(name)
  }

/** Adds a whole tensor to what is known of a gradient, out of place. */
const sum = ({ builder, ledger }: Appending, tensor: string, contribution: Tensor) => {
  const before = ledger.of(tensor)
  ledger.assign(
    tensor,
    before === undefined ? contribution : builder.add(before, contribution, `${tensor}.gradient.sum`)
  )
}

/** Where a backward step writes the gradient of an input: what it adds to, session state, or a tensor of its own. */
const place = (
  appending: Appending,
  name: string,
  backward: { readonly operation: string; readonly type: Tensor["type"]; readonly busy: ReadonlySet<string> }
): { readonly tensor: Tensor; readonly accumulate: boolean; readonly later: boolean } => {
  const { builder, fail, ledger, options, program } = appending
  const { accumulates } = ruleOf(backward.operation)
  const forward = program.tensors[name]!
  const before = ledger.of(name)
  if (before !== undefined && accumulates && !backward.busy.has(before.name) && ledger.mayGrow(name, before))
    return { tensor: before, accumulate: true, later: false }
  if (before === undefined && forward.role === "parameter" && options.gradients === "state") {
    const state = builder.state(`${name}.gradient`, forward.shape)
    if (!accumulates && options.accumulate) fail(`${backward.operation} cannot accumulate into ${state.name}`)
    ledger.assign(name, state)
    return { tensor: state, accumulate: options.accumulate === true, later: false }
  }
  const fresh = builder.declare(
    freeName(builder.has.bind(builder), `${name}.gradient`),
    forward.shape,
    backward.type,
    "activation"
  )
  if (before === undefined) ledger.assign(name, fresh)
  return { tensor: fresh, accumulate: false, later: before !== undefined }
}

/** Appends one backward step, whose results are the gradients of some of the forward step's inputs. */
const appendOne = (
  appending: Appending,
  step: Step,
  ...[operation, inputs, attributes, results]: Parameters<
    Parameters<NonNullable<Operation["gradient"]>>[0]["append"]
  >
) => {
  const { builder, flows } = appending
  const wants = wantedOf(step, flows)
  const accumulate: Array<Tensor> = []
  const later: Array<() => void> = []
  // Tensors that this very step reads or already writes: it cannot add to them as well.
  const busy = new Set(inputs)
  const backward = ruleOf(operation)
  const outputs = results.map((index, output): Tensor | null => {
    if (index === null || !wants(index)) return null
    const name = step.inputs[index]!
    const placed = place(appending, name, { operation, type: backward.outputs[output]!.type, busy })
    busy.add(placed.tensor.name)
    if (placed.accumulate) accumulate.push(placed.tensor)
    if (placed.later) later.push(() => sum(appending, name, placed.tensor))
    return placed.tensor
  })
  if (outputs.every((output) => output === null)) return
  builder.step(
    operation as OperationName,
    inputs.map((name) => (name === "" ? undefined : builder.tensor(name))),
    attributes,
    { outputs: backward.outputs.map((_, index) => outputs[index] ?? null), accumulate }
  )
  for (const add of later) add()
}

/** Whether a gradient is given or follows from the expansion, which must not change what it reads. */
const isDerivable = (rule: Operation): boolean =>
  rule.gradient !== undefined ||
  ((rule.expand !== undefined || isPrimitive(rule.name)) && rule.inPlace === undefined)

/** Appends the gradient that follows from an operation's expansion, of which what is not there any more is computed again. */
const appendDerived = (appending: Appending, step: Step) => {
  const { builder, flows, ledger, program } = appending
  const known = (name: string) => (builder.has(name) ? builder.tensor(name) : undefined)
  const sink = collector(program.name, known, `${scopeOf(step)}.derived`)
  const { steps, tensors } = expandStep(program, step, builder.has.bind(builder))
  const own = new Map(tensors.map((tensor) => [tensor.name, tensor]))
  const withOwn = { ...sink, tensor: (name: string) => own.get(name) ?? sink.tensor(name) }
  for (const one of steps) if (one.outputs.every((name) => own.has(name))) sink.append(one)
  const given = new Map(
    step.outputs.flatMap((name) => {
      const gradient = name === "" ? undefined : ledger.of(name)
      return gradient === undefined ? [] : [[name, gradient.name] as const]
    })
  )
  const wanted = new Set(step.inputs.filter((name, index) => name !== "" && wantedOf(step, flows)(index)))
  const gradients = derive(withOwn, steps, wanted, given)
  const e = new Expander(withOwn)
  const busy = new Set([...step.inputs, ...step.outputs, ...given.values()])
  const later: Array<() => void> = []
  for (const [name, gradient] of gradients) {
    const placed = place(appending, name, { operation: "map", type: "f32", busy })
    busy.add(placed.tensor.name)
    e.write(e.array(placed.tensor.name), "x", { x: e.array(gradient) }, placed.accumulate)
    if (placed.later) later.push(() => sum(appending, name, placed.tensor))
  }
  const written = sink.written(tensors)
  for (const { name, shape } of written.tensors) builder.declare(name, shape, "f32", "activation")
  for (const one of written.steps) builder.append(one)
  for (const add of later) add()
}

/** Appends the backward steps of one forward step. */
const appendBackward = (appending: Appending, step: Step) => {
  const { builder, fail, flows, ledger, options, program } = appending
  const rule = ruleOf(step.operation)
  const wants = wantedOf(step, flows)
  const gradients = step.outputs.map((name) => (name === "" ? undefined : ledger.of(name)?.name))
  if (gradients.every((gradient) => gradient === undefined)) return
  if (!step.inputs.some((_, index) => wants(index))) return
  if (!isDerivable(rule)) return fail(`${step.operation} has no gradient, but the loss depends on it`)
  // From here on nothing reads the gradients of this step's outputs but the steps appended now.
  for (const name of step.outputs) if (appending.isFirstWriter(step, name)) ledger.settle(name)
  if (rule.gradient === undefined) return appendDerived(appending, step)
  rule.gradient({
    inputs: step.inputs,
    outputs: step.outputs,
    attributes: step.attributes,
    outputGradient: (index) => gradients[index],
    wants,
    pass: (index, gradient) => {
      if (!wants(index)) return
      const name = step.inputs[index]!
      if (program.tensors[name]!.role === "parameter" && options.gradients === "state")
        fail(
          `${step.operation} takes the parameter ${name} itself, whose gradient then cannot be session state`
        )
      sum(appending, name, builder.tensor(gradient))
    },
    append: (...backward) => appendOne(appending, step, ...backward)
  })
}

/**
 * Appends to a forward program the steps that compute the gradient of `loss` [1] with respect to every parameter it depends
 * on. The program's outputs stay as they are. Throws a `ProgramError` when the program cannot be differentiated.
 */
export const differentiate = (
  program: Program,
  loss: string,
  options: DifferentiateOptions = {}
): Differentiated => {
  const fail = (why: string): never => {
    throw new ProgramError({ program: program.name, why })
  }
  const target = program.tensors[loss]
  if (target === undefined || sizeOf(target.shape) !== 1)
    fail(`its loss ${loss} must be one of its tensors, of shape [1]`)
  if (options.accumulate && options.gradients !== "state")
    fail("gradients that accumulate over runs must be session state")

  const builder = extend(program, options.name ?? program.name)
  const ledger = GradientLedger.make()
  ledger.assign(loss, builder.input(options.lossGradient ?? "lossGradient", [1]))
  const firstWriters = new Map<string, Step>()
  for (const step of [...program.steps].reverse())
    for (const name of step.outputs) firstWriters.set(name, step)
  const appending: Appending = {
    program,
    builder,
    ledger,
    flows: dependents(program),
    options,
    isFirstWriter: (step, name) => firstWriters.get(name) === step,
    fail
  }
  for (const step of [...program.steps].reverse()) appendBackward(appending, step)

  const gradients: Record<string, string> = {}
  for (const tensor of Object.values(program.tensors)) {
    const gradient = ledger.of(tensor.name)
    if (tensor.role === "parameter" && gradient !== undefined) gradients[tensor.name] = gradient.name
  }
  if (Object.keys(gradients).length === 0) fail(`its loss ${loss} depends on no parameter`)
  return { program: builder.build(program.outputs.map((name) => builder.tensor(name))), gradients }
}

const freeName = (taken: (name: string) => boolean, name: string): string => {
  for (let count = 1; ; count++) {
    const candidate = count === 1 ? name : `${name}.${count}`
    if (!taken(candidate)) return candidate
  }
}
