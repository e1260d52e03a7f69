/**
 * The squared rectifier: y = max(x, 0)², for a tensor of any shape.
 *
 * Source: So et al. 2021, "Primer", arXiv:2109.08668. Gradient: derived, dx = 2 · max(x, 0) · dy.
 */
import type { Operation } from "../Operation.ts"

export const reluSquared: Operation = {
  name: "reluSquared",
  inputs: [{ name: "x", type: "f32" }],
  outputs: [{ name: "y", type: "f32" }],
  attributes: [],
  infer: ([x]) => (x === undefined ? "x is absent" : [x]),
  expand: (e) => e.putMap(0, "max(x, 0) * max(x, 0)", { x: e.input(0) }),
  example: (pick) => ({ inputs: { x: { shape: [pick.side(129), pick.side(257)], scale: 3 } } })
}
