/**
 * Keeps values softly within a limit: y = limit · tanh(x / limit), for a tensor of any shape.
 *
 * Source: Gemma Team 2024, "Gemma 2", arXiv:2408.00118, section 2. Gradient: derived, dx = (1 - tanh²(x / limit)) · dy.
 */
import type { Operation } from "../Operation.ts"

export const softCap: Operation = {
  name: "softCap",
  inputs: [{ name: "x", type: "f32" }],
  outputs: [{ name: "y", type: "f32" }],
  attributes: ["limit"],
  infer: ([x], { limit }) =>
    x === undefined ? "x is absent" : Number(limit) > 0 ? [x] : `limit ${limit} is not above 0`,
  expand: (e) => {
    const limit = e.number("limit")
    e.putMap(0, `${limit} * tanh(x / ${limit})`, { x: e.input(0) })
  },
  example: (pick) => ({
    inputs: { x: { shape: [pick.side(129), pick.side(257)], scale: 30 } },
    attributes: { limit: pick.from(0.5, 15, 30) }
  })
}
