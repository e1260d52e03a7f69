/**
 * Causal attention with grouped queries, within documents. H query heads share K key and value heads: head h uses group ⌊h · K / H⌋. With
 * s = 1 / √D, for every b and h:
 *
 *   score[t, u] = s · Σ d q[t, d] · k[u, d]  for starts[t] ≤ u ≤ t;   p = softmax over u;   y[t, :] = Σ u p[t, u] · v[u, :]
 *
 * query and y [B, T, H·D], key and value [B, T, K·D], starts i32 [B, T] or absent: where the document of each position begins in its row; 0
 * for all where absent. logSumExp [B, H, T] = log Σ u exp(score[t, u]) is kept for the gradient. Attributes heads H and groups K.
 * Source: Ainslie et al. 2023, arXiv:2305.13245; the kept log-sum-exp is FlashAttention's, arXiv:2205.14135.
 *
 * Gradient, with p recomputed from logSumExp and delta[t] = Σ d dy[t, d] · y[t, d]; dk and dv are summed over the heads of a group:
 *   dv[u] = Σ t p[t, u] · dy[t];  dscore[t, u] = p[t, u] · (dy[t] · v[u] - delta[t])
 *   dq[t] = s · Σ u dscore[t, u] · k[u];  dk[u] = s · Σ t dscore[t, u] · q[t]
 *
 * `groupedAttentionCached` is in a file of its own.
 */
import type { Pick } from "../Example.ts"
import type { Expansion } from "../Expansion.ts"
import type { Operation, Shape } from "../Operation.ts"
import type { Attributes } from "../Program.ts"
import type { StridedArray } from "../StridedArray.ts"
import { same, show } from "./shape.ts"

/** What is wrong with heads, groups and the shapes of query and key. */
export const groupsFault = (
  query: Shape | undefined,
  key: Shape | undefined,
  { groups, heads }: Attributes
): string | undefined => {
  const [h, k] = [Number(heads), Number(groups)]
  if (!Number.isInteger(h) || !Number.isInteger(k) || h < 1 || k < 1 || h % k !== 0)
    return `heads must be a multiple of groups, are ${heads} and ${groups}`
  if (query?.length !== 3 || query[2]! % h !== 0) return `query must be [B, T, ${h} · D], is ${show(query)}`
  const wanted = [query[0]!, query[1]!, (query[2]! / h) * k]
  return same(key, wanted) ? undefined : `key and value must be ${show(wanted)}, key is ${show(key)}`
}

export const groupSizes = (e: Expansion, query: number) => {
  const [heads, groups] = [e.number("heads"), e.number("groups")]
  const [batch, time, width] = e.input(query).shape as [number, number, number]
  return { batch, time, groups, each: heads / groups, size: width / heads }
}

/** [B, T, H·D] as [B, K, H/K, T, D]; keys and values have one head for each group. */
export const byHead = (
  e: Expansion,
  array: StridedArray,
  { batch, groups, size }: { batch: number; groups: number; size: number }
): StridedArray => {
  const [, time, width] = array.shape as [number, number, number]
  return e.transpose(e.reshape(array, [batch, time, groups, width / groups / size, size]), [0, 2, 3, 1, 4])
}

/** Swaps the last two axes. */
export const turned = (e: Expansion, array: StridedArray): StridedArray => e.transpose(array, [0, 1, 2, 4, 3])

/** Score of what a position does not see: its exponential is 0. */
export const unseen = "-1e30"

/** The masked scores as a formula over `product`, q · k, and their arrays. */
const scoresOf = (e: Expansion, query: number, key: number, starts: number) => {
  const sizes = groupSizes(e, query)
  const product = e.product(byHead(e, e.input(query), sizes), byHead(e, e.input(key), sizes))
  const begins = e.optional(starts)
  const scaled = `${1 / Math.sqrt(sizes.size)} * product`
  const causal = `where(less(i3, i4), ${unseen}, ${scaled})`
  return begins === undefined
    ? { sizes, formula: causal, arrays: { product } }
    : {
        sizes,
        formula: `where(less(i4, starts), ${unseen}, ${causal})`,
        arrays: { product, starts: e.reshape(begins, [sizes.batch, 1, 1, sizes.time, 1]) }
      }
}

const example = (pick: Pick, seesStarts: boolean) => {
  const [groups, each, size] = [pick.from(1, 2, 3), pick.from(1, 2, 3), pick.side(33)]
  const [batch, time] = [pick.side(3), pick.side(33)]
  const attributes = { heads: groups * each, groups }
  const wide = [batch, time, groups * each * size]
  const narrow = [batch, time, groups * size]
  // Documents of random length: each position's begins where the last one to begin at or before it did.
  const values: Array<number> = []
  for (let row = 0; row < batch; row++)
    for (let [t, start] = [0, 0]; t < time; t++) {
      if (pick.integer(0, 4) === 0) start = t
      values.push(start)
    }
  return {
    attributes,
    inputs: {
      query: { shape: wide, scale: 2 },
      key: { shape: narrow, scale: 2 },
      value: { shape: narrow },
      ...(seesStarts ? { starts: { shape: [batch, time], values, type: "i32" as const } } : {})
    },
    dy: { shape: wide }
  }
}

export const groupedAttention: Operation = {
  name: "groupedAttention",
  inputs: [
    { name: "query", type: "f32" },
    { name: "key", type: "f32" },
    { name: "value", type: "f32" },
    { name: "starts", type: "i32", optional: true }
  ],
  outputs: [
    { name: "y", type: "f32" },
    { name: "logSumExp", type: "f32" }
  ],
  attributes: ["heads", "groups"],
  infer: ([query, key, value, starts], attributes) => {
    const fault = groupsFault(query, key, attributes)
    if (fault !== undefined || query === undefined) return fault ?? "query is absent"
    if (!same(key, value)) return `value must be ${show(key)}, is ${show(value)}`
    if (starts !== undefined && !same(starts, query.slice(0, 2)))
      return `starts must be ${show(query.slice(0, 2))}, is ${show(starts)}`
    return [query, [query[0]!, Number(attributes.heads), query[1]!]]
  },
  expand: (e) => {
    const { arrays, formula, sizes } = scoresOf(e, 0, 1, 3)
    const scores = e.map(formula, arrays)
    const largest = e.max("scores", { scores }, [-1])
    const sums = e.sum("exp(scores - largest)", { scores, largest }, [-1])
    const p = e.map("exp(scores - largest) / sums", { scores, largest, sums })
    const y = e.product(p, turned(e, byHead(e, e.input(2), sizes)))
    e.putMap(0, "y", { y }, (out) => byHead(e, out, sizes))
    e.put(1, e.map("largest + log(sums)", { largest, sums }))
  },
  gradient: ({ append, attributes, inputs, outputGradient, outputs }) => {
    const dy = outputGradient(0)
    if (dy !== undefined)
      append("groupedAttentionBackward", [dy, ...inputs, outputs[0]!, outputs[1]!], attributes, [0, 1, 2])
  },
  example: (pick) => {
    const { attributes, inputs } = example(pick, pick.boolean())
    return { attributes, inputs }
  }
}

export const groupedAttentionBackward: Operation = {
  name: "groupedAttentionBackward",
  inputs: [
    { name: "dy", type: "f32" },
    ...groupedAttention.inputs,
    { name: "y", type: "f32" },
    { name: "logSumExp", type: "f32" }
  ],
  outputs: [
    { name: "dQuery", type: "f32", optional: true },
    { name: "dKey", type: "f32", optional: true },
    { name: "dValue", type: "f32", optional: true }
  ],
  accumulates: true,
  attributes: ["heads", "groups"],
  infer: ([dy, query, key, value, starts, y, logSumExp], attributes) => {
    const shapes = groupedAttention.infer([query, key, value, starts], attributes, [])
    if (typeof shapes === "string") return shapes
    if (!same(dy, query) || !same(y, query))
      return `dy and y must be ${show(query)}, are ${show(dy)} and ${show(y)}`
    return same(logSumExp, shapes[1])
      ? [query!, key!, key!]
      : `logSumExp must be ${show(shapes[1])}, is ${show(logSumExp)}`
  },
  expand: (e) => {
    const { arrays, formula, sizes } = scoresOf(e, 1, 2, 4)
    const { batch, each, groups, time } = sizes
    const [dy, query, key, value, y] = [0, 1, 2, 3, 5].map((input) => byHead(e, e.input(input), sizes)) as [
      StridedArray,
      StridedArray,
      StridedArray,
      StridedArray,
      StridedArray
    ]
    const sums = e.reshape(e.input(6), [batch, groups, each, time, 1])
    const p = e.map(`exp(${formula} - sums)`, { ...arrays, sums })
    const delta = e.sum("dy * y", { dy, y }, [-1])
    const dp = e.product(dy, value)
    const ds = e.map(`${1 / Math.sqrt(sizes.size)} * p * (dp - delta)`, { p, dp, delta })
    const out = (all: StridedArray) => byHead(e, all, sizes)
    e.putMap(0, "dq", { dq: e.product(ds, turned(e, key)) }, out)
    const dk = e.product(turned(e, ds), turned(e, query))
    e.putMap(1, "dk", { dk: e.sum("dk", { dk }, [2]) }, out)
    const dv = e.product(turned(e, p), turned(e, dy))
    e.putMap(2, "dv", { dv: e.sum("dv", { dv }, [2]) }, out)
  },
  example: (pick) => {
    const seesStarts = pick.boolean()
    const { attributes, dy, inputs } = example(pick, seesStarts)
    const names = ["query", "key", "value", ...(seesStarts ? ["starts"] : [])]
    return {
      attributes,
      inputs: { dy, ...inputs, y: { output: 0 }, logSumExp: { output: 1 } },
      before: { operation: "groupedAttention", inputs: names, attributes }
    }
  }
}
