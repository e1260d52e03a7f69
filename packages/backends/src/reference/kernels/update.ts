/** Computes `gradientNorm` and `adamW`: see the files of those names in program/operations/. */
import type { Floats, Kernel } from "../Kernel.ts"

export const gradientNorm: Kernel = function* (call) {
  let squares = 0
  for (let input = 0; input < call.inputs; input++) {
    for (const g of call.floats(input)) squares += g * g
    yield
  }
  const norm = Math.fround(Math.sqrt(squares))
  const maximum = call.attribute("maximum")
  call.put(0, 0, norm)
  call.put(1, 0, !Number.isFinite(norm) ? NaN : maximum === 0 ? 1 : Math.min(1, maximum / (norm + 1e-6)))
}

export const adamW: Kernel = function* (call) {
  const [parameter, gradient, firstMoment, secondMoment] = [0, 1, 2, 3].map(call.floats) as [
    Floats,
    Floats,
    Floats,
    Floats
  ]
  const [scale, learningRate, step] = [call.floats(4)[0]!, call.floats(5)[0]!, call.integers(6)[0]!]
  const [beta1, beta2] = [call.attribute("beta1"), call.attribute("beta2")]
  const [epsilon, weightDecay] = [call.attribute("epsilon"), call.attribute("weightDecay")]
  if (!Number.isFinite(scale)) return
  for (let i = 0; i < parameter.length; i++) {
    const g = scale * gradient[i]!
    const m = beta1 * firstMoment[i]! + (1 - beta1) * g
    const v = beta2 * secondMoment[i]! + (1 - beta2) * g * g
    const mHat = m / (1 - beta1 ** step)
    const vHat = v / (1 - beta2 ** step)
    call.put(
      0,
      i,
      parameter[i]! - learningRate * (mHat / (Math.sqrt(vHat) + epsilon) + weightDecay * parameter[i]!)
    )
    call.put(1, i, m)
    call.put(2, i, v)
    if (i % 4096 === 0) yield
  }
}
