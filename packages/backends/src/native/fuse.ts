/**
 * Joins steps that are better done in one pass over memory: a linear layer with the GELU, the residual sum or the SwiGLU that follows it, the
 * gradient of a GELU with the product before it, a product with the formula after it (blend.ts), and the loss with its own gradient, so that
 * logits are computed once.
 *
 * The result is a program of the native engine's own kernels: `linear` may have a residual as fourth input, a gate as seventh and a GELU as second
 * output, `linearBackwardInput` a third input, `linearBackwardWeight` what its x is recomputed from, and `projectionLoss` takes both gradients (see
 * cpp/program.h). The same memory plan serves it.
 */
import type { Program, Step } from "../program/Program.ts"
import { blended } from "./blend.ts"
import { fuseSmallBatch } from "./fuseSmallBatch.ts"

/** How many steps read each tensor; a program's outputs count as read once more. */
const readers = (program: Program): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  const read = (name: string) => counts.set(name, (counts.get(name) ?? 0) + 1)
  for (const step of program.steps) for (const name of step.inputs) if (name !== "") read(name)
  for (const name of program.outputs) read(name)
  return counts
}

/** The kernels' own form of a step by itself. */
const plain = (step: Step): Step => {
  const [first = "", second = "", third = "", fourth = "", fifth = ""] = step.inputs
  switch (step.operation) {
    case "linear":
      return { ...step, inputs: [first, second, third, ""], outputs: [step.outputs[0] ?? "", ""] }
    case "projectionLoss":
      return { ...step, inputs: [first, second, third, "", ""], outputs: [...step.outputs, "", ""] }
    case "projectionLossBackward":
      return {
        ...step,
        operation: "projectionLoss",
        inputs: [second, third, fourth, first, fifth],
        outputs: ["", "", "", "", ...step.outputs]
      }
    default:
      return step
  }
}

/** With no more rows than these, as in generation, each thread normalises all of them for itself rather than wait for others. */
const fewRows = 4

/** Two neighbouring steps as one, or undefined when they do not belong together. */
const joined = (
  program: Program,
  counts: ReadonlyMap<string, number>,
  before: Step,
  after: Step
): Step | undefined => {
  const result = before.outputs[0] ?? ""
  const isTemporary =
    program.tensors[result]?.role === "activation" &&
    counts.get(result) === 1 &&
    before.accumulate.length === 0 &&
    after.accumulate.length === 0
  if (before.operation === "product") return isTemporary ? blended(program, before, after) : undefined
  if (before.operation === "layerNorm" && after.operation === "linear" && isTemporary) {
    const shape = program.tensors[result]?.shape ?? []
    const isFew = shape.slice(0, -1).reduce((rows, side) => rows * side, 1) <= fewRows
    const isAlone = after.inputs[0] === result && before.outputs.slice(1).every((name) => !counts.has(name))
    const [x = "", gain = "", bias = ""] = before.inputs
    const alone = plain(after)
    if (isFew && isAlone)
      return {
        ...alone,
        inputs: [x, ...alone.inputs.slice(1), gain, bias],
        attributes: { ...after.attributes, ...before.attributes }
      }
  }
  if (before.operation === "linear" && before.inputs[3] === "" && before.outputs[1] === "") {
    if (after.operation === "gelu" && after.inputs[0] === result)
      return { ...before, outputs: [isTemporary ? "" : result, after.outputs[0] ?? ""] }
    if (after.operation === "add" && isTemporary && after.inputs.includes(result)) {
      const residual = after.inputs[0] === result ? after.inputs[1] : after.inputs[0]
      return {
        ...before,
        inputs: [...before.inputs.slice(0, 3), residual ?? "", ...before.inputs.slice(4)],
        outputs: [after.outputs[0] ?? "", ""]
      }
    }
    const [gate, up] = after.inputs
    if (after.operation === "swiglu" && isTemporary && up === result && gate !== result)
      return {
        ...before,
        inputs: [...Array.from({ length: 6 }, (_, index) => before.inputs[index] ?? ""), gate ?? ""],
        outputs: [after.outputs[0] ?? "", ""]
      }
  }
  if (
    before.operation === "linearBackwardInput" &&
    before.inputs.length === 2 &&
    after.operation === "geluBackward" &&
    isTemporary &&
    after.inputs[0] === result
  )
    return { ...before, inputs: [...before.inputs, after.inputs[1] ?? ""], outputs: after.outputs }
  if (before.operation === "projectionLoss" && after.operation === "projectionLossBackward") {
    const [dLoss = "", x, table, targets, logSumExp] = after.inputs
    const isSame = x === before.inputs[0] && table === before.inputs[1] && targets === before.inputs[2]
    if (
      isSame &&
      logSumExp === before.outputs[3] &&
      !before.outputs.includes(dLoss) &&
      before.inputs[3] === ""
    )
      return {
        ...before,
        inputs: [...before.inputs.slice(0, 3), dLoss, ""],
        outputs: [...before.outputs.slice(0, 4), ...after.outputs],
        accumulate: [...before.accumulate, ...after.accumulate]
      }
  }
  return undefined
}

/**
 * A weight's gradient reads what its layer read. Where that is a GELU or a normalised x, both cheap, it is recomputed from what it
 * was made of, which is kept for another gradient anyway: a quarter of all activations need not outlive the next step.
 */
const recomputed = (steps: ReadonlyArray<Step>): ReadonlyArray<Step> => {
  const makers = new Map<string, number>()
  return steps.map((step, index) => {
    const [dy = "", x = ""] = step.inputs
    const at = makers.get(x)
    for (const name of step.outputs) if (name !== "") makers.set(name, index)
    const maker = steps[at ?? -1]
    if (step.operation !== "linearBackwardWeight" || at === undefined || maker === undefined) return step
    const [y = "", second = "", third = ""] = maker.outputs
    const [made = "", gain = "", bias = ""] = maker.inputs
    const instead =
      maker.operation === "linear" && x === second && y !== ""
        ? { ...step, inputs: [dy, y], attributes: { ...step.attributes, gelu: 1 } }
        : maker.operation === "layerNorm" && x === y && second !== "" && third !== ""
          ? { ...step, inputs: [dy, made, gain, bias, second, third] }
          : step
    const isAsItWas = steps
      .slice(at + 1, index)
      .every((between) => !between.outputs.some((name) => name !== "" && instead.inputs.includes(name, 1)))
    return isAsItWas ? instead : step
  })
}

/** The same program in fewer steps, with less kept between them. */
export const fuse = (program: Program): Program => {
  const counts = readers(program)
  const steps: Array<Step> = []
  for (const step of program.steps) {
    const before = steps.at(-1)
    const both = before === undefined ? undefined : joined(program, counts, before, step)
    if (both === undefined) steps.push(plain(step))
    else steps[steps.length - 1] = both
  }
  return fuseSmallBatch({ ...program, steps: recomputed(steps) })
}
