/** Computes `layerNorm` and `layerNormBackward`: see program/operations/layerNorm.ts. */
import type { Floats, Kernel } from "../Kernel.ts"

export const layerNorm: Kernel = function* (call) {
  const [x, gain, bias] = [call.floats(0), call.floats(1), call.floats(2)]
  const [width, epsilon] = [gain.length, call.attribute("epsilon")]
  for (let row = 0; row < x.length / width; row++) {
    const at = row * width
    let mean = 0
    for (let c = 0; c < width; c++) mean += x[at + c]! / width
    let variance = 0
    for (let c = 0; c < width; c++) variance += (x[at + c]! - mean) ** 2 / width
    const rstd = 1 / Math.sqrt(variance + epsilon)
    for (let c = 0; c < width; c++)
      call.put(0, at + c, (x[at + c]! - mean) * rstd * gain[c]! + (bias[c] ?? 0))
    call.put(1, row, mean)
    call.put(2, row, rstd)
    yield
  }
}

export const layerNormBackward: Kernel = function* (call) {
  const [dy, x, gain, mean, rstd] = [0, 1, 2, 3, 4].map(call.floats) as [
    Floats,
    Floats,
    Floats,
    Floats,
    Floats
  ]
  const width = gain.length
  const dGain = new Float64Array(width)
  const dBias = new Float64Array(width)
  for (let row = 0; row < x.length / width; row++) {
    const at = row * width
    const normal = (c: number) => (x[at + c]! - mean[row]!) * rstd[row]!
    let meanG = 0
    let meanGN = 0
    for (let c = 0; c < width; c++) {
      const g = dy[at + c]! * gain[c]!
      meanG += g / width
      meanGN += (g * normal(c)) / width
      dGain[c]! += dy[at + c]! * normal(c)
      dBias[c]! += dy[at + c]!
    }
    for (let c = 0; c < width; c++)
      call.put(0, at + c, rstd[row]! * (dy[at + c]! * gain[c]! - meanG - normal(c) * meanGN))
    yield
  }
  for (let c = 0; c < width; c++) {
    call.put(1, c, dGain[c]!)
    call.put(2, c, dBias[c]!)
  }
}
