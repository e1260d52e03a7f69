/**
 * Rotary positions: each pair of a head's elements is turned by an angle that grows with the position.
 *
 *   angle[b, t, i] = (offset[b] + t) · theta^(-2i / D)     for i < D/2
 *   y[t, i] = x[t, i] · cos - x[t, i + D/2] · sin;   y[t, i + D/2] = x[t, i + D/2] · cos + x[t, i] · sin
 *
 * x and y [B, T, H·D], offset i32 [1] for all texts or [B]; attributes heads H and theta, and `inverse`, which turns back. The pairs are those of Llama's and
 * Qwen's files ("rotate half").
 * Source: Su et al. 2021, arXiv:2104.09864.
 *
 * Gradient: dx = dy turned back.
 */
import type { Operation } from "../Operation.ts"
import { offsetFault } from "./cacheRows.ts"
import { show } from "./shape.ts"

export const rope: Operation = {
  name: "rope",
  inputs: [
    { name: "x", type: "f32" },
    { name: "offset", type: "i32" }
  ],
  outputs: [{ name: "y", type: "f32" }],
  accumulates: true,
  attributes: ["heads", "theta"],
  infer: ([x, offset], { heads, theta }) => {
    if (x?.length !== 3 || !(Number(heads) > 0) || x[2]! % (2 * Number(heads)) !== 0)
      return `x must be [B, T, C] with C a multiple of 2 · ${heads} heads, is ${show(x)}`
    if (!(Number(theta) > 0)) return `theta ${theta} is not above 0`
    return offsetFault(offset, x[0]!) ?? [x]
  },
  expand: (e) => {
    const heads = e.number("heads")
    const [batch, time, width] = e.input(0).shape as [number, number, number]
    const half = width / heads / 2
    const offsets = e.input(1).shape[0]!
    const shape = [batch, time, heads, 2, half]
    const part = (of: ReturnType<typeof e.input>, index: number) =>
      e.reshape(e.slice(e.reshape(of, shape), 3, index, index + 1), [batch, time, heads, half])
    const [first, second] = [part(e.input(0), 0), part(e.input(0), 1)]
    const angle = e.map(
      `(offset + i1) * exp(i2 * ${-Math.log(e.number("theta")) / half})`,
      { offset: e.reshape(e.input(1), [offsets, 1, 1]) },
      [offsets, time, half]
    )
    const turn = e.reshape(angle, [offsets, time, 1, half])
    const sign = e.flag("inverse") ? "-1" : "1"
    const arrays = { first, second, turn }
    e.putMap(0, `first * cos(turn) - ${sign} * second * sin(turn)`, arrays, (y) => part(y, 0))
    e.putMap(0, `second * cos(turn) + ${sign} * first * sin(turn)`, arrays, (y) => part(y, 1))
  },
  gradient: ({ append, attributes, inputs, outputGradient }) => {
    const dy = outputGradient(0)
    const inverse = attributes.inverse !== true
    if (dy !== undefined) append("rope", [dy, inputs[1]!], { ...attributes, inverse }, [0])
  },
  example: (pick) => {
    const [heads, half, batch] = [pick.from(1, 2, 3, 5), pick.side(17), pick.side(4)]
    return {
      inputs: {
        x: { shape: [batch, pick.side(33), heads * 2 * half] },
        offset: { shape: [pick.from(1, batch)], below: 20 }
      },
      attributes: { heads, theta: pick.from(10_000, 1_000_000), inverse: pick.boolean() }
    }
  }
}
