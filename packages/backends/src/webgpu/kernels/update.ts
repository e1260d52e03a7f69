/** `gradientNorm` and `adamW`: see program/operations for the formulas. */
import type { Inputs } from "../../Backend.ts"
import { literal } from "../formulas.ts"
import { KernelText, type Value } from "../KernelText.ts"
import { type Context, type Lower, store } from "../Lowering.ts"
import { integers } from "./gather.ts"
import { joined } from "./reduce.ts"

const lanes = 256

/** Numbers that a workgroup squares and sums. */
const block = 4096

/** One dispatch for the sums of squares of several gradients, a workgroup for each block, into `sums` from `first` on. */
const squares = (context: Context, gradients: ReadonlyArray<Value>, sums: Value, first: number): number => {
  const kernel = new KernelText()
  const statements: Array<string> = []
  let groups = 0
  for (const gradient of gradients) {
    const name = kernel.read(gradient)
    const begin = groups
    groups += Math.ceil(gradient.length / block)
    statements.push(
      `if (group >= ${begin} && group < ${groups}) {`,
      `let start = (group - ${begin}) * ${block};`,
      `for (var i = start + lane; i < min(start + ${block}, ${gradient.length}); i = i + ${lanes}) { total = total + ${name}[i] * ${name}[i]; }`,
      "}"
    )
  }
  context.dispatch(
    kernel.done(context.step.operation, {
      size: lanes,
      groups,
      declarations: [`var<workgroup> partial: array<f32, ${lanes}>;`],
      body: [
        "var total = 0f;",
        ...statements,
        ...joined(lanes, "sum"),
        `if (lane == 0) { ${kernel.write(sums)}[${first} + group] = partial[0]; }`
      ]
    })
  )
  return groups
}

export const gradientNorm: Lower = (context) => {
  const gradients = context.step.inputs.map((_, input) => context.input(input))
  const count = gradients.reduce((sum, { length }) => sum + Math.ceil(length / block), 0)
  const sums = context.scratch(count)
  const together = context.limits.buffers - 1
  for (let [from, first] = [0, 0]; from < gradients.length; from += together)
    first += squares(context, gradients.slice(from, from + together), sums, first)
  const kernel = new KernelText()
  const maximum = context.number("maximum")
  const [norm, scale] = [context.output(0), context.output(1)]
  context.dispatch(
    kernel.done(context.step.operation, {
      size: lanes,
      groups: 1,
      declarations: [`var<workgroup> partial: array<f32, ${lanes}>;`],
      body: [
        "var total = 0f;",
        `for (var i = lane; i < ${count}; i = i + ${lanes}) { total = total + ${kernel.read(sums)}[i]; }`,
        ...joined(lanes, "sum"),
        "if (lane == 0) {",
        "let norm = sqrt(partial[0]);",
        `let clip = ${maximum === 0 ? "1f" : `min(1f, ${literal(maximum)} / (norm + 1e-6f))`};`,
        // NaN by its bits, for which the language has no word.
        `let scale = bitcast<f32>(select(0x7fc00000u, bitcast<u32>(clip), ${kernel.call("isFinite")}(partial[0])));`,
        ...(norm === undefined ? [] : [store(kernel, norm, "0", "norm")]),
        ...(scale === undefined ? [] : [store(kernel, scale, "0", "scale")]),
        "}"
      ]
    })
  )
}

/** A smaller one is zero on devices that have no denormal numbers, and zero by zero is no number. */
const leastEpsilon = 1e-37

export const adamW: Lower = (context) => {
  const [beta1, beta2] = [context.number("beta1"), context.number("beta2")]
  const step = context.step.inputs[6]!
  // In float64: a device's powers lose the digits that the first steps need.
  const corrections = context.upload(
    `corrections of ${beta1} and ${beta2} at ${step}`,
    "f32",
    2,
    (inputs: Inputs) => {
      const [at = 1] = integers(inputs, step)
      return Float32Array.of(1 - beta1 ** at, 1 - beta2 ** at)
    }
  )
  const kernel = new KernelText()
  const names = [0, 1, 2, 3, 4, 5].map((input) =>
    [0, 2, 3].includes(input) ? kernel.write(context.input(input)) : kernel.read(context.input(input))
  )
  const [parameter, gradient, mean, square, scale, rate] = names
  const corrected = kernel.read(corrections)
  context.dispatch(
    kernel.each(context.step.operation, context.input(0).length, [
      `let scale = ${scale}[0];`,
      `if (!${kernel.call("isFinite")}(scale)) { return; }`,
      `let g = scale * ${gradient}[i];`,
      `let m = ${literal(beta1)} * ${mean}[i] + ${literal(1 - beta1)} * g;`,
      `let v = ${literal(beta2)} * ${square}[i] + ${literal(1 - beta2)} * g * g;`,
      `let p = ${parameter}[i];`,
      `${mean}[i] = m;`,
      `${square}[i] = v;`,
      `let change = m / ${corrected}[0] / (sqrt(v / ${corrected}[1]) + ${literal(Math.max(leastEpsilon, context.number("epsilon")))});`,
      `${parameter}[i] = p - ${rate}[0] * (change + ${literal(context.number("weightDecay"))} * p);`
    ])
  )
}
