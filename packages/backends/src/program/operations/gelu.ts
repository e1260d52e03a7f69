/**
 * Gaussian error linear unit, in the tanh form that GPT-2 was trained with ("gelu_new").
 *
 *   y = ½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))
 *
 * x and y have any one shape. Source: Hendrycks, Gimpel 2016, arXiv:1606.08415, equation at the end of section 2.
 *
 * Gradient, with u = √(2/π) (x + 0.044715 x³) and h = tanh u:
 *   dx = dy · (½ (1 + h) + ½ x (1 - h²) √(2/π) (1 + 3 · 0.044715 x²))
 */
import type { Operation } from "../Operation.ts"
import { same, show } from "./shape.ts"

const slope = Math.sqrt(2 / Math.PI)
const h = `tanh(${slope} * (x + 0.044715 * x * x * x))`

export const gelu: Operation = {
  name: "gelu",
  inputs: [{ name: "x", type: "f32" }],
  outputs: [{ name: "y", type: "f32" }],
  attributes: [],
  infer: ([x]) => (x === undefined ? "x is absent" : [x]),
  expand: (e) => e.putMap(0, `0.5 * x * (1 + ${h})`, { x: e.input(0) }),
  gradient: ({ append, inputs, outputGradient }) => {
    const dy = outputGradient(0)
    if (dy !== undefined) append("geluBackward", [dy, inputs[0]!], {}, [0])
  }
}

export const geluBackward: Operation = {
  name: "geluBackward",
  inputs: [
    { name: "dy", type: "f32" },
    { name: "x", type: "f32" }
  ],
  outputs: [{ name: "dx", type: "f32" }],
  accumulates: true,
  attributes: [],
  infer: ([dy, x]) => (same(dy, x) ? [x!] : `dy must be ${show(x)}, is ${show(dy)}`),
  expand: (e) => {
    const arrays = { dy: e.input(0), x: e.input(1), h: e.map(h, { x: e.input(1) }) }
    const inner = `${slope} * (1 + ${3 * 0.044715} * x * x)`
    e.putMap(0, `dy * (0.5 * (1 + h) + 0.5 * x * (1 - h * h) * ${inner})`, arrays)
  }
}
