/**
 * Layer normalisation over the last axis.
 *
 *   mean = Σ x / C;  rstd = 1 / √(Σ (x - mean)² / C + epsilon);  y = (x - mean) · rstd · gain + bias
 *
 * x [.., C], gain [C], bias [C] or absent, y [.., C]; mean and rstd [rows] are kept for the gradient.
 * Source: Ba, Kiros, Hinton 2016, arXiv:1607.06450.
 *
 * Gradient, with n = (x - mean) · rstd and g = dy · gain, each mean taken over C:
 *   dx = rstd · (g - mean(g) - n · mean(g · n));  dGain = Σ rows dy · n;  dBias = Σ rows dy
 */
import type { Operation } from "../Operation.ts"
import { rows, same, show, width } from "./shape.ts"

export const layerNorm: Operation = {
  name: "layerNorm",
  inputs: [
    { name: "x", type: "f32" },
    { name: "gain", type: "f32" },
    { name: "bias", type: "f32", optional: true }
  ],
  outputs: [
    { name: "y", type: "f32" },
    { name: "mean", type: "f32" },
    { name: "rstd", type: "f32" }
  ],
  attributes: ["epsilon"],
  infer: ([x, gain, bias]) => {
    if (x === undefined || x.length < 1) return `x must be [.., C], is ${show(x)}`
    if (!same(gain, [width(x)])) return `gain must be [${width(x)}], is ${show(gain)}`
    if (bias !== undefined && !same(bias, gain)) return `bias must be ${show(gain)}, is ${show(bias)}`
    return [x, [rows(x)], [rows(x)]]
  },
  expand: (e) => {
    const size = width(e.input(0).shape)
    const shape = [rows(e.input(0).shape), size]
    const x = e.reshape(e.input(0), shape)
    const mean = e.map(`sum / ${size}`, { sum: e.sum("x", { x }, [1]) })
    const squares = e.sum("(x - mean) * (x - mean)", { x, mean }, [1])
    const rstd = e.map(`1 / sqrt(squares / ${size} + ${e.number("epsilon")})`, { squares })
    const bias = e.optional(2)
    const arrays = { x, mean, rstd, gain: e.input(1), ...(bias === undefined ? {} : { bias }) }
    const shifted = bias === undefined ? "" : " + bias"
    e.putMap(0, `(x - mean) * rstd * gain${shifted}`, arrays, (y) => e.reshape(y, shape))
    e.put(1, mean)
    e.put(2, rstd)
  },
  gradient: ({ append, inputs, outputGradient, outputs }) => {
    const dy = outputGradient(0)
    if (dy !== undefined)
      append("layerNormBackward", [dy, inputs[0]!, inputs[1]!, outputs[1]!, outputs[2]!], {}, [0, 1, 2])
  }
}

export const layerNormBackward: Operation = {
  name: "layerNormBackward",
  inputs: [
    { name: "dy", type: "f32" },
    { name: "x", type: "f32" },
    { name: "gain", type: "f32" },
    { name: "mean", type: "f32" },
    { name: "rstd", type: "f32" }
  ],
  outputs: [
    { name: "dx", type: "f32", optional: true },
    { name: "dGain", type: "f32", optional: true },
    { name: "dBias", type: "f32", optional: true }
  ],
  accumulates: true,
  attributes: [],
  infer: ([dy, x, gain, mean, rstd]) => {
    if (x === undefined || !same(dy, x)) return `dy must be ${show(x)}, is ${show(dy)}`
    if (!same(gain, [width(x)])) return `gain must be [${width(x)}], is ${show(gain)}`
    return same(mean, [rows(x)]) && same(rstd, mean)
      ? [x, gain!, gain!]
      : `mean and rstd must be [${rows(x)}], are ${show(mean)} and ${show(rstd)}`
  },
  expand: (e) => {
    const size = width(e.input(1).shape)
    const shape = [rows(e.input(1).shape), size]
    const [dy, x] = [e.reshape(e.input(0), shape), e.reshape(e.input(1), shape)]
    const [mean, rstd] = [e.reshape(e.input(3), [shape[0]!, 1]), e.reshape(e.input(4), [shape[0]!, 1])]
    const n = e.map("(x - mean) * rstd", { x, mean, rstd })
    const g = e.map("dy * gain", { dy, gain: e.input(2) })
    const [sum, projection] = [e.sum("g", { g }, [1]), e.sum("g * n", { g, n }, [1])]
    e.putMap(
      0,
      `rstd * (g - sum / ${size} - n * projection / ${size})`,
      { rstd, g, sum, n, projection },
      (dx) => e.reshape(dx, shape)
    )
    e.put(1, e.sum("dy * n", { dy, n }, [0]))
    e.put(2, e.sum("dy", { dy }, [0]))
  }
}
