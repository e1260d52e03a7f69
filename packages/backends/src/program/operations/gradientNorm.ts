/**
 * The global norm of all gradients, and the factor that clips it.
 *
 *   norm = √(Σ over all tensors and elements of g²);   scale = min(1, maximum / (norm + 1e-6)), 1 when maximum is 0
 *
 * Takes one or more gradients of any shapes; norm [1], scale [1]. When the norm is not finite, scale is NaN, which makes
 * `adamW` leave everything as it is: a bad step never reaches the parameters.
 * Source: Pascanu, Mikolov, Bengio 2013, arXiv:1211.5063; the 1e-6 is PyTorch's `clip_grad_norm_`.
 */
import type { Operation } from "../Operation.ts"

export const gradientNorm: Operation = {
  name: "gradientNorm",
  inputs: [{ name: "gradient", type: "f32" }],
  variadic: true,
  outputs: [
    { name: "norm", type: "f32" },
    { name: "scale", type: "f32" }
  ],
  attributes: ["maximum"],
  infer: (gradients, { maximum }) =>
    gradients.length === 0
      ? "no gradient is given"
      : Number(maximum) >= 0
        ? [[1], [1]]
        : `maximum ${maximum} is negative`,
  expand: (e) => {
    const all = Array.from({ length: e.count }, (_, index) => {
      const g = e.input(index)
      return e.reshape(e.sum("g * g", { g }, [...g.shape.keys()]), [1])
    })
    const squares = all.reduce((a, b) => e.map("a + b", { a, b }))
    const norm = e.map("sqrt(squares)", { squares })
    const maximum = e.number("maximum")
    const clip = maximum === 0 ? "1" : `min(1, ${maximum} / (norm + 1e-6))`
    // Infinity less itself is NaN, and so is what is NaN already.
    e.putMap(1, `where(less(norm, 3e38), ${clip}, norm - norm)`, { norm })
    e.put(0, norm)
  }
}
