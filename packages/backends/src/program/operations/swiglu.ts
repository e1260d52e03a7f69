/**
 * The gate of a SwiGLU layer: y = gate · sigmoid(gate) · up, for tensors of any one shape.
 *
 * Source: Shazeer 2020, arXiv:2002.05202.
 *
 * Gradient, with s = sigmoid(gate):
 *   dGate = dy · up · s · (1 + gate · (1 - s));  dUp = dy · gate · s
 */
import type { Pick } from "../Example.ts"
import type { Operation } from "../Operation.ts"
import { same, show } from "./shape.ts"

const example = (pick: Pick) => {
  const shape = [pick.side(129), pick.side(257)]
  return { inputs: { dy: { shape }, gate: { shape, scale: 6 }, up: { shape } } }
}

export const swiglu: Operation = {
  name: "swiglu",
  inputs: [
    { name: "gate", type: "f32" },
    { name: "up", type: "f32" }
  ],
  outputs: [{ name: "y", type: "f32" }],
  attributes: [],
  infer: ([gate, up]) =>
    same(gate, up) ? [gate!] : `gate and up must have one shape, are ${show(gate)} and ${show(up)}`,
  expand: (e) => e.putMap(0, "gate * sigmoid(gate) * up", { gate: e.input(0), up: e.input(1) }),
  gradient: ({ append, inputs, outputGradient }) => {
    const dy = outputGradient(0)
    if (dy !== undefined) append("swigluBackward", [dy, inputs[0]!, inputs[1]!], {}, [0, 1])
  },
  example: (pick) => {
    const { gate, up } = example(pick).inputs
    return { inputs: { gate, up } }
  }
}

export const swigluBackward: Operation = {
  name: "swigluBackward",
  inputs: [
    { name: "dy", type: "f32" },
    { name: "gate", type: "f32" },
    { name: "up", type: "f32" }
  ],
  outputs: [
    { name: "dGate", type: "f32", optional: true },
    { name: "dUp", type: "f32", optional: true }
  ],
  accumulates: true,
  attributes: [],
  infer: ([dy, gate, up]) =>
    same(dy, gate) && same(up, gate)
      ? [gate!, gate!]
      : `dy, gate and up must have one shape, are ${show(dy)}, ${show(gate)} and ${show(up)}`,
  expand: (e) => {
    const [dy, gate, up] = [e.input(0), e.input(1), e.input(2)]
    e.putMap(0, "dy * up * sigmoid(gate) * (1 + gate * (1 - sigmoid(gate)))", { dy, gate, up })
    e.putMap(1, "dy * gate * sigmoid(gate)", { dy, gate })
  },
  example
}
