/**
 * The outer optimizer of DiLoCo: stochastic gradient descent with Nesterov momentum, whose gradient is the mean difference of the replicas.
 * With weights w of the last average, replicas w_1 … w_k after their local steps, learning rate η and momentum μ:
 *
 *   g = Σ (w - w_i) / k;   m = μ · m + g;   w = w - η · (g + μ · m)
 *
 * With η 1 and μ 0 the new weights are the mean of the replicas' weights.
 *
 * Source: Douillard et al. 2023, arXiv:2311.08105, algorithm 1, with η 0.7 and μ 0.9; the momentum as in PyTorch's `torch.optim.SGD` with `nesterov`
 * and no dampening (Sutskever et al. 2013, section 2).
 */

export interface OuterSettings {
  readonly learningRate: number
  readonly momentum: number
}

export interface Outer {
  readonly weights: Float32Array
  readonly momentum: Float32Array
}

/**
 * One outer step of one tensor. `momentum` is all zeros before the first step. Sums in float64, in the order of the replicas, so that the
 * result is the same on every machine. All arrays have one length; the given ones are not changed.
 */
export const outerStep = (
  { momentum, weights }: Outer,
  differences: ReadonlyArray<Float32Array>,
  settings: OuterSettings
): Outer => {
  const next = { weights: new Float32Array(weights.length), momentum: new Float32Array(weights.length) }
  for (let i = 0; i < weights.length; i++) {
    let sum = 0
    for (const difference of differences) sum += difference[i]!
    const gradient = sum / differences.length
    const moved = settings.momentum * momentum[i]! + gradient
    next.momentum[i] = moved
    next.weights[i] = weights[i]! - settings.learningRate * (gradient + settings.momentum * moved)
  }
  return next
}
