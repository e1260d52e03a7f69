/**
 * Matrix products: one of the primitives that every engine has.
 *
 *   y[.., m, n] = Σ k a[.., m, k] · b[.., n, k]
 *
 * Through views without bounds; see `ProductAttributes` in program/primitives.ts. It may be taken in the session's precision, with float32
 * sums. Gradient: derived.
 */
import type { Operation } from "../Operation.ts"
import { productAttributes } from "../primitives.ts"
import { viewsFault } from "./map.ts"

export const product: Operation = {
  name: "product",
  inputs: [
    { name: "a", type: "f32" },
    { name: "b", type: "f32" }
  ],
  outputs: [{ name: "y", type: "f32" }],
  accumulates: true,
  views: true,
  attributes: ["shape", "views", "result"],
  check: (step, tensor) => {
    const { shape, views } = productAttributes(step)
    if (!Array.isArray(shape) || shape.length < 3) return "needs a shape [.., M, N, K]"
    if (step.inputs.includes(step.outputs[0]!)) return `reads and writes ${step.outputs[0]}`
    const batch = shape.slice(0, -3)
    const [m, n, k] = shape.slice(-3) as [number, number, number]
    const fault = viewsFault(
      step,
      [
        [...batch, m, k],
        [...batch, n, k],
        [...batch, m, n]
      ],
      tensor
    )
    if (fault !== undefined) return fault
    return views.some(({ high, low }) => low !== undefined || high !== undefined)
      ? "has a view with bounds, which a product cannot have"
      : undefined
  },
  infer: (_, attributes) => [productAttributes({ attributes }).result]
}
