/**
 * The sum of two tensors of one shape: y = a + b. The residual connection.
 *
 * Gradient: da = dy and db = dy, the same tensor unchanged.
 */
import type { Operation } from "../Operation.ts"
import { same, show } from "./shape.ts"

export const add: Operation = {
  name: "add",
  inputs: [
    { name: "a", type: "f32" },
    { name: "b", type: "f32" }
  ],
  outputs: [{ name: "y", type: "f32" }],
  accumulates: true,
  attributes: [],
  infer: ([a, b]) => (same(a, b) ? [a!] : `a and b must have one shape, are ${show(a)} and ${show(b)}`),
  expand: (e) => e.putMap(0, "a + b", { a: e.input(0), b: e.input(1) }),
  gradient: ({ outputGradient, pass }) => {
    const dy = outputGradient(0)
    if (dy === undefined) return
    pass(0, dy)
    pass(1, dy)
  }
}
