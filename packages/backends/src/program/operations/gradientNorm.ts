/**
 * Gradient clipping: the global norm of all gradients, and the factor that clips it.
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
        : `maximum ${maximum} is negative`
}
