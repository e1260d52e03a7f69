/**
 * A linear layer.
 *
 *   y[r, o] = Σ i x[r, i] · weight[o, i] + bias[o]
 *
 * x [.., I], weight [O, I], bias [O] or absent, y [.., O]; r runs over all rows of x. The product may be taken in
 * the session's precision, with float32 sums. (GPT-2's files hold the transpose, [I, O].)
 * Source: the usual affine map; PyTorch's `nn.Linear` has the same layout.
 *
 * Gradient:
 *   dx[r, i] = Σ o dy[r, o] · weight[o, i]
 *   dWeight[o, i] = Σ r dy[r, o] · x[r, i];  dBias[o] = Σ r dy[r, o]
 */
import type { Expansion } from "../Expansion.ts"
import type { Operation } from "../Operation.ts"
import { rows, same, show, width, withWidth } from "./shape.ts"

export const linear: Operation = {
  name: "linear",
  inputs: [
    { name: "x", type: "f32" },
    { name: "weight", type: "f32" },
    { name: "bias", type: "f32", optional: true }
  ],
  outputs: [{ name: "y", type: "f32" }],
  attributes: [],
  infer: ([x, weight, bias]) => {
    if (x === undefined || x.length < 1) return `x must be [.., I], is ${show(x)}`
    if (weight?.length !== 2 || weight[1] !== width(x))
      return `weight must be [O, ${width(x)}], is ${show(weight)}`
    if (bias !== undefined && !same(bias, [weight[0]!]))
      return `bias must be [${weight[0]}], is ${show(bias)}`
    return [withWidth(x, weight[0]!)]
  },
  expand: (e) => {
    const y = e.product(matrix(e, 0), e.input(1))
    const bias = e.optional(2)
    e.put(0, bias === undefined ? y : e.map("y + bias", { y, bias }))
  },
  gradient: ({ append, inputs, outputGradient, wants }) => {
    const dy = outputGradient(0)
    if (dy === undefined) return
    if (wants(1) || wants(2)) append("linearBackwardWeight", [dy, inputs[0]!], {}, [1, 2])
    if (wants(0)) append("linearBackwardInput", [dy, inputs[1]!], {}, [0])
  }
}

/** An array as a matrix of its rows. */
const matrix = (e: Expansion, input: number) => {
  const array = e.input(input)
  return e.reshape(array, [rows(array.shape), width(array.shape)])
}

/** dx [.., I] from dy [.., O] and weight [O, I]. */
export const linearBackwardInput: Operation = {
  name: "linearBackwardInput",
  inputs: [
    { name: "dy", type: "f32" },
    { name: "weight", type: "f32" }
  ],
  outputs: [{ name: "dx", type: "f32" }],
  accumulates: true,
  attributes: [],
  infer: ([dy, weight]) =>
    dy !== undefined && weight?.length === 2 && weight[0] === width(dy)
      ? [withWidth(dy, weight[1]!)]
      : `dy must be [.., ${weight?.[0]}], is ${show(dy)}`,
  expand: (e) => e.put(0, e.product(matrix(e, 0), e.transpose(e.input(1), [1, 0])))
}

/** dWeight [O, I] and dBias [O] from dy [.., O] and x [.., I]. */
export const linearBackwardWeight: Operation = {
  name: "linearBackwardWeight",
  inputs: [
    { name: "dy", type: "f32" },
    { name: "x", type: "f32" }
  ],
  outputs: [
    { name: "dWeight", type: "f32", optional: true },
    { name: "dBias", type: "f32", optional: true }
  ],
  accumulates: true,
  attributes: [],
  infer: ([dy, x]) =>
    dy !== undefined && x !== undefined && rows(dy) === rows(x)
      ? [[width(dy), width(x)], [width(dy)]]
      : `dy and x must have the same rows, are ${show(dy)} and ${show(x)}`,
  expand: (e) => {
    const [dy, x] = [matrix(e, 0), matrix(e, 1)]
    e.put(0, e.product(e.transpose(dy, [1, 0]), e.transpose(x, [1, 0])))
    e.put(1, e.sum("dy", { dy }, [0]))
  }
}
