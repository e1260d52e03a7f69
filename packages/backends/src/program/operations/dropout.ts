/**
 * Dropout: each element is zero with probability `rate`, the others are scaled so that the mean is kept.
 *
 *   y[i] = keep(seed, salt, i) ? x[i] / (1 - rate) : 0,   i the element's index in row-major order
 *
 * seed is i32 [1], a new one each step; `salt` (attribute, an integer) tells the layers apart. Nothing is stored: the mask is
 * a pure function, all arithmetic on unsigned 32-bit integers:
 *
 *   h = seed + salt · 0x9E3779B1 + i · 0x85EBCA77
 *   h ^= h >> 16;  h *= 0x85EBCA6B;  h ^= h >> 13;  h *= 0xC2B2AE35;  h ^= h >> 16
 *   keep when (h >> 8) · 2⁻²⁴ ≥ rate
 *
 * Source: Srivastava et al. 2014, JMLR 15; the mixer is MurmurHash3's finalizer (Appleby).
 *
 * Gradient: dx = dropout of dy with the same seed, salt and rate.
 */
import type { Operation } from "../Operation.ts"
import { same, show } from "./shape.ts"

export const dropout: Operation = {
  name: "dropout",
  inputs: [
    { name: "x", type: "f32" },
    { name: "seed", type: "i32" }
  ],
  outputs: [{ name: "y", type: "f32" }],
  accumulates: true,
  attributes: ["rate", "salt"],
  infer: ([x, seed], { rate }) =>
    x === undefined || !same(seed, [1])
      ? `seed must be [1], is ${show(seed)}`
      : Number(rate) >= 0 && Number(rate) < 1
        ? [x]
        : `rate ${rate} is not in [0, 1)`,
  gradient: ({ append, attributes, inputs, outputGradient }) => {
    const dy = outputGradient(0)
    if (dy !== undefined) append("dropout", [dy, inputs[1]!], attributes, [0])
  }
}
