/**
 * Root mean square normalisation of runs of G neighbours, where gain is [G].
 *
 *   y = x / √(Σ x² / G + epsilon) · gain      each sum over one run
 *
 * x and y [.., C]; G divides C. With G = C it is a layer's norm; with the width of a head, QK-norm.
 * Source: Zhang, Sennrich 2019, arXiv:1910.07467.
 *
 * Gradient, with r = 1 / √(Σ x² / G + epsilon), n = x · r and g = dy · gain:
 *   dx = r · (g - n · Σ g n / G);  dGain = Σ over runs of dy · n
 */
import type { Pick } from "../Example.ts"
import type { Expansion } from "../Expansion.ts"
import type { Operation, Shape } from "../Operation.ts"
import { same, show, width } from "./shape.ts"

const fault = (x: Shape | undefined, gain: Shape | undefined): string | undefined =>
  x !== undefined && gain?.length === 1 && width(x) % gain[0]! === 0
    ? undefined
    : `gain must be [G] with G a divisor of x's width, are ${show(gain)} and ${show(x)}`

const example = (pick: Pick) => {
  const [rows, runs, size] = [pick.side(33), pick.integer(1, 4), pick.side(65)]
  const shape = pick.boolean() ? [rows, 3, runs * size] : [rows, runs * size]
  return {
    inputs: { x: { shape, scale: 3 }, gain: { shape: [size] }, dy: { shape } },
    attributes: { epsilon: pick.from(1e-6, 0.01) }
  }
}

/** Inputs as runs [runs, G], and the reciprocal root of each run's mean square [runs, 1]. */
const runsOf = (e: Expansion, x: number, gain: number) => {
  const size = e.input(gain).shape[0]!
  const count = e.input(x).shape.reduce((product, side) => product * side, 1) / size
  const runs = e.reshape(e.input(x), [count, size])
  const squares = e.sum("x * x", { x: runs }, [1])
  const root = e.map(`1 / sqrt(squares / ${size} + ${e.number("epsilon")})`, { squares })
  return { runs, root, size, gain: e.input(gain), shape: [count, size] }
}

export const rmsNorm: Operation = {
  name: "rmsNorm",
  inputs: [
    { name: "x", type: "f32" },
    { name: "gain", type: "f32" }
  ],
  outputs: [{ name: "y", type: "f32" }],
  attributes: ["epsilon"],
  infer: ([x, gain]) => fault(x, gain) ?? [x!],
  expand: (e) => {
    const { gain, root, runs, shape } = runsOf(e, 0, 1)
    e.putMap(0, "x * root * gain", { x: runs, root, gain }, (y) => e.reshape(y, shape))
  },
  gradient: ({ append, attributes, inputs, outputGradient }) => {
    const dy = outputGradient(0)
    if (dy !== undefined) append("rmsNormBackward", [dy, inputs[0]!, inputs[1]!], attributes, [0, 1])
  },
  example: (pick) => {
    const { attributes, inputs } = example(pick)
    return { attributes, inputs: { x: inputs.x, gain: inputs.gain } }
  }
}

export const rmsNormBackward: Operation = {
  name: "rmsNormBackward",
  inputs: [
    { name: "dy", type: "f32" },
    { name: "x", type: "f32" },
    { name: "gain", type: "f32" }
  ],
  outputs: [
    { name: "dx", type: "f32", optional: true },
    { name: "dGain", type: "f32", optional: true }
  ],
  accumulates: true,
  attributes: ["epsilon"],
  infer: ([dy, x, gain]) =>
    fault(x, gain) ?? (same(dy, x) ? [x!, gain!] : `dy must be ${show(x)}, is ${show(dy)}`),
  expand: (e) => {
    const { gain, root, runs: x, shape, size } = runsOf(e, 1, 2)
    const dy = e.reshape(e.input(0), shape)
    const projection = e.sum("dy * gain * x", { dy, gain, x }, [1])
    e.putMap(
      0,
      `root * (dy * gain - x * root * root * projection / ${size})`,
      { root, dy, gain, x, projection },
      (dx) => e.reshape(dx, shape)
    )
    e.put(1, e.sum("dy * x * root", { dy, x, root }, [0]))
  },
  example
}
