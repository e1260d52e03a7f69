/**
 * Appends the backward steps of a program. A model is written forward only; each operation's own gradient rule says what its
 * backward step is, and this file decides where gradients live and how several contributions to one become a sum.
 *
 * Reverse-mode accumulation: Griewank, Walther 2008, "Evaluating Derivatives", chapter 3.
 */
import { extend } from "./Builder.ts"
import type { Operation } from "./Operation.ts"
import { type OperationName, operations } from "./operations.ts"
import { type Program, sizeOf, type Tensor } from "./Program.ts"
import { ProgramError } from "./ProgramError.ts"

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
  const flows = dependents(program)
  // The gradient of each tensor so far, and of each gradient the tensors that share it and whose own step is still to come.
  const gradientOf = new Map<string, Tensor>()
  const sharers = new Map<string, Set<string>>()
  const assign = (tensor: string, gradient: Tensor) => {
    const before = gradientOf.get(tensor)
    if (before !== undefined) sharers.get(before.name)?.delete(tensor)
    gradientOf.set(tensor, gradient)
    const set = sharers.get(gradient.name) ?? new Set()
    sharers.set(gradient.name, set.add(tensor))
  }
  /** Whether more may be added to the gradient of `tensor` where it lies, with no other tensor's gradient changing by it. */
  const mayGrow = (tensor: string, gradient: Tensor): boolean =>
    gradient.role !== "input" && [...(sharers.get(gradient.name) ?? [])].every((name) => name === tensor)

  const seed = builder.input(options.lossGradient ?? "lossGradient", [1])
  assign(loss, seed)

  for (const step of [...program.steps].reverse()) {
    const rule: Operation = operations[step.operation as OperationName]
    const gradients = step.outputs.map((name) => (name === "" ? undefined : gradientOf.get(name)?.name))
    const wants = (index: number) => {
      const name = step.inputs[index]
      return name !== undefined && name !== "" && flows.has(name)
    }
    if (gradients.every((gradient) => gradient === undefined)) continue
    if (!step.inputs.some((_, index) => wants(index))) continue
    if (rule.gradient === undefined) fail(`${step.operation} has no gradient, but the loss depends on it`)
    // From here on nothing reads the gradients of this step's outputs but the steps appended now.
    for (const name of step.outputs) sharers.get(gradientOf.get(name)?.name ?? "")?.delete(name)

    /** Adds a whole tensor to what is known of a gradient, out of place. */
    const sum = (tensor: string, contribution: Tensor) => {
      const before = gradientOf.get(tensor)
      if (before === undefined) assign(tensor, contribution)
      else assign(tensor, builder.add(before, contribution, `${tensor}.gradient.sum`))
    }
    rule.gradient?.({
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
        sum(name, builder.tensor(gradient))
      },
      append: (operation, inputs, attributes, results) => {
        const accumulate: Array<Tensor> = []
        const later: Array<() => void> = []
        // Tensors that this very step reads or already writes: it cannot add to them as well.
        const busy = new Set(inputs)
        const backward: Operation = operations[operation as OperationName]
        const outputs = results.map((index, output): Tensor | null => {
          if (index === null || !wants(index)) return null
          const name = step.inputs[index]!
          const forward = program.tensors[name]!
          const before = gradientOf.get(name)
          if (
            before !== undefined &&
            backward.accumulates &&
            !busy.has(before.name) &&
            mayGrow(name, before)
          ) {
            busy.add(before.name)
            accumulate.push(before)
            return before
          }
          if (before === undefined && forward.role === "parameter" && options.gradients === "state") {
            const state = builder.state(`${name}.gradient`, forward.shape)
            if (!backward.accumulates && options.accumulate)
              fail(`${operation} cannot accumulate into ${state.name}`)
            if (options.accumulate) accumulate.push(state)
            assign(name, state)
            busy.add(state.name)
            return state
          }
          const fresh = builder.declare(
            freeName(builder.has.bind(builder), `${name}.gradient`),
            forward.shape,
            backward.outputs[output]!.type,
            "activation"
          )
          busy.add(fresh.name)
          if (before === undefined) assign(name, fresh)
          else later.push(() => sum(name, fresh))
          return fresh
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
    })
  }

  const gradients: Record<string, string> = {}
  for (const tensor of Object.values(program.tensors)) {
    const gradient = gradientOf.get(tensor.name)
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
