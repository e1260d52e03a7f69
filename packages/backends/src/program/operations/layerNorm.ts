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
  }
}
