/** Computes `attention`, its gradient, and `attentionCached`: see program/operations/attention.ts. */
import type { Kernel } from "../Kernel.ts"

/** Scores of one query over `count` keys, turned into probabilities in place; gives their log-sum-exp. */
const softmax = (scores: Float64Array, count: number): number => {
  let largest = -Infinity
  for (let u = 0; u < count; u++) largest = Math.max(largest, scores[u]!)
  let sum = 0
  for (let u = 0; u < count; u++) sum += Math.exp(scores[u]! - largest)
  const logSumExp = largest + Math.log(sum)
  for (let u = 0; u < count; u++) scores[u] = Math.exp(scores[u]! - logSumExp)
  return logSumExp
}

export const attention: Kernel = function* (call) {
  const [batch, time, threeWidths] = call.shape(0) as [number, number, number]
  const qkv = call.floats(0)
  const heads = call.attribute("heads")
  const width = threeWidths / 3
  const size = width / heads
  const scale = 1 / Math.sqrt(size)
  const p = new Float64Array(time)
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++)
      for (let t = 0; t < time; t++) {
        const q = (b * time + t) * threeWidths + h * size
        for (let u = 0; u <= t; u++) {
          const k = (b * time + u) * threeWidths + width + h * size
          let dot = 0
          for (let d = 0; d < size; d++) dot += qkv[q + d]! * qkv[k + d]!
          p[u] = scale * dot
        }
        call.put(1, (b * heads + h) * time + t, softmax(p, t + 1))
        for (let d = 0; d < size; d++) {
          let sum = 0
          for (let u = 0; u <= t; u++)
            sum += p[u]! * qkv[(b * time + u) * threeWidths + 2 * width + h * size + d]!
          call.put(0, (b * time + t) * width + h * size + d, sum)
        }
        yield
      }
}

export const attentionBackward: Kernel = function* (call) {
  const [batch, time, threeWidths] = call.shape(1) as [number, number, number]
  const [dy, qkv, y, logSumExp] = [call.floats(0), call.floats(1), call.floats(2), call.floats(3)]
  const heads = call.attribute("heads")
  const width = threeWidths / 3
  const size = width / heads
  const scale = 1 / Math.sqrt(size)
  const dqkv = new Float64Array(qkv.length)
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++)
      for (let t = 0; t < time; t++) {
        const q = (b * time + t) * threeWidths + h * size
        const out = (b * time + t) * width + h * size
        let delta = 0
        for (let d = 0; d < size; d++) delta += dy[out + d]! * y[out + d]!
        for (let u = 0; u <= t; u++) {
          const k = (b * time + u) * threeWidths + width + h * size
          const v = k + width
          let dot = 0
          let dp = 0
          for (let d = 0; d < size; d++) {
            dot += qkv[q + d]! * qkv[k + d]!
            dp += dy[out + d]! * qkv[v + d]!
          }
          const p = Math.exp(scale * dot - logSumExp[(b * heads + h) * time + t]!)
          const dscore = p * (dp - delta)
          for (let d = 0; d < size; d++) {
            dqkv[v + d]! += p * dy[out + d]!
            dqkv[q + d]! += scale * dscore * qkv[k + d]!
            dqkv[k + d]! += scale * dscore * qkv[q + d]!
          }
        }
        yield
      }
  for (let i = 0; i < dqkv.length; i++) call.put(0, i, dqkv[i]!)
}

export const attentionCached: Kernel = function* (call) {
  const [batch, time, threeWidths] = call.shape(0) as [number, number, number]
  const positions = call.shape(1)[1]!
  const [qkv, keys, values] = [call.floats(0), call.floats(1), call.floats(2)]
  const [offsets, slots] = [call.integers(3), call.integers(4)]
  const offsetOf = (b: number) => offsets[offsets.length === 1 ? 0 : b]!
  const slotOf = (b: number) => slots[b] ?? b
  const heads = call.attribute("heads")
  const width = threeWidths / 3
  const size = width / heads
  const scale = 1 / Math.sqrt(size)
  for (let b = 0; b < batch; b++) {
    const [offset, slot] = [offsetOf(b), slotOf(b)]
    if (offset < 0 || offset + time > positions)
      yield `positions ${offset} to ${offset + time - 1} are wanted of a cache of ${positions}`
    if (slot < 0 || slot >= call.shape(1)[0]!)
      yield `row ${slot} is wanted of a cache of ${call.shape(1)[0]} rows`
    for (let t = 0; t < time; t++)
      for (let c = 0; c < width; c++) {
        const from = (b * time + t) * threeWidths + width + c
        const to = (slot * positions + offset + t) * width + c
        call.put(1, to, qkv[from]!)
        call.put(2, to, qkv[from + width]!)
      }
  }
  const p = new Float64Array(positions)
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++)
      for (let t = 0; t < time; t++) {
        const q = (b * time + t) * threeWidths + h * size
        const count = offsetOf(b) + t + 1
        const first = slotOf(b) * positions
        for (let u = 0; u < count; u++) {
          const k = (first + u) * width + h * size
          let dot = 0
          for (let d = 0; d < size; d++) dot += qkv[q + d]! * keys[k + d]!
          p[u] = scale * dot
        }
        softmax(p, count)
        for (let d = 0; d < size; d++) {
          let sum = 0
          for (let u = 0; u < count; u++) sum += p[u]! * values[(first + u) * width + h * size + d]!
          call.put(0, (b * time + t) * width + h * size + d, sum)
        }
        yield
      }
}
