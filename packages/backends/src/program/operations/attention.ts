/**
 * Causal multi-head self-attention.
 *
 * qkv [B, T, 3C] holds the queries, keys and values side by side, each C = heads · D wide; for head h its part is
 * columns h·D .. (h+1)·D. With s = 1 / √D, for every b and h:
 *
 *   score[t, u] = s · Σ d q[t, d] · k[u, d]   for u ≤ t;   p = softmax over u;   y[t, :] = Σ u p[t, u] · v[u, :]
 *
 * y [B, T, C]. logSumExp [B, heads, T] = log Σ u exp(score[t, u]) is kept, so that no engine stores p.
 * Source: Vaswani et al. 2017, arXiv:1706.03762; the kept log-sum-exp is FlashAttention's, arXiv:2205.14135.
 *
 * Gradient, with p recomputed from logSumExp and delta[t] = Σ d dy[t, d] · y[t, d]:
 *   dv[u] = Σ t p[t, u] · dy[t];  dscore[t, u] = p[t, u] · (dy[t] · v[u] - delta[t])
 *   dq[t] = s · Σ u dscore[t, u] · k[u];  dk[u] = s · Σ t dscore[t, u] · q[t]
 *
 * `attentionCached` is the same with a key-value cache, for generation: keys and values [S, P, C] are session state.
 * The T new keys and values are written at positions offset .. offset+T, and new token t sees positions 0 .. offset+t.
 * offset i32 [1] or [B], offset + T ≤ P, and slots i32 [B] or absent: see cacheRows.ts. It has no gradient.
 */
import type { Operation, Shape } from "../Operation.ts"
import { cacheFault } from "./cacheRows.ts"
import { same, show } from "./shape.ts"

const headed = (qkv: Shape | undefined, heads: number): string | undefined => {
  if (qkv?.length !== 3 || qkv[2]! % 3 !== 0) return `qkv must be [B, T, 3C], is ${show(qkv)}`
  return Number.isInteger(heads) && heads > 0 && (qkv[2]! / 3) % heads === 0
    ? undefined
    : `${heads} heads do not divide a width of ${qkv[2]! / 3}`
}

export const attention: Operation = {
  name: "attention",
  inPrecision: true,
  inputs: [{ name: "qkv", type: "f32" }],
  outputs: [
    { name: "y", type: "f32" },
    { name: "logSumExp", type: "f32" }
  ],
  attributes: ["heads"],
  infer: ([qkv], { heads }) => {
    const wrong = headed(qkv, Number(heads))
    if (wrong !== undefined || qkv === undefined) return wrong ?? "qkv is absent"
    return [
      [qkv[0]!, qkv[1]!, qkv[2]! / 3],
      [qkv[0]!, Number(heads), qkv[1]!]
    ]
  },
  gradient: ({ append, attributes, inputs, outputGradient, outputs }) => {
    const dy = outputGradient(0)
    if (dy !== undefined)
      append("attentionBackward", [dy, inputs[0]!, outputs[0]!, outputs[1]!], attributes, [0])
  }
}

export const attentionBackward: Operation = {
  name: "attentionBackward",
  inPrecision: true,
  inputs: [
    { name: "dy", type: "f32" },
    { name: "qkv", type: "f32" },
    { name: "y", type: "f32" },
    { name: "logSumExp", type: "f32" }
  ],
  outputs: [{ name: "dqkv", type: "f32" }],
  attributes: ["heads"],
  infer: ([dy, qkv, y, logSumExp], { heads }) => {
    const wrong = headed(qkv, Number(heads))
    if (wrong !== undefined || qkv === undefined) return wrong ?? "qkv is absent"
    const wanted = [qkv[0]!, qkv[1]!, qkv[2]! / 3]
    if (!same(y, wanted) || !same(dy, wanted))
      return `dy and y must be ${show(wanted)}, are ${show(dy)} and ${show(y)}`
    const sums = [qkv[0]!, Number(heads), qkv[1]!]
    return same(logSumExp, sums) ? [qkv] : `logSumExp must be ${show(sums)}, is ${show(logSumExp)}`
  }
}

export const attentionCached: Operation = {
  name: "attentionCached",
  inPrecision: true,
  inputs: [
    { name: "qkv", type: "f32" },
    { name: "keys", type: "f32" },
    { name: "values", type: "f32" },
    { name: "offset", type: "i32" },
    { name: "slots", type: "i32", optional: true }
  ],
  outputs: [
    { name: "y", type: "f32" },
    { name: "keys", type: "f32" },
    { name: "values", type: "f32" }
  ],
  inPlace: [
    { output: 1, input: 1 },
    { output: 2, input: 2 }
  ],
  attributes: ["heads"],
  infer: ([qkv, keys, values, offset, slots], { heads }) => {
    const wrong = headed(qkv, Number(heads))
    if (wrong !== undefined || qkv === undefined) return wrong ?? "qkv is absent"
    const added = [qkv[0]!, qkv[1]!, qkv[2]! / 3] as const
    return cacheFault({ keys, values, offset, slots }, added) ?? [added, keys!, keys!]
  }
}
