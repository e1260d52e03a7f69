/** Attention in groups, its gradient and its cached form against plain sums in float64, on every kernel path. */
import { describe, it } from "@effect/vitest"
import { agrees, make, type Random, underTest, type Values, type Wanted } from "./oneStep.ts"

/** Attention in float64: probabilities of each (b, head, t) over positions, and what comes of them. */
const attended = (
  shape: { batch: number; time: number; heads: number; groups: number; width: number },
  [query, key, value]: readonly [Values, Values, Values],
  starts: Int32Array | undefined,
  dy: Values
) => {
  const { batch, groups, heads, time, width } = shape
  const [y, dQuery] = [new Float64Array(query.length), new Float64Array(query.length)]
  const [dKey, dValue] = [new Float64Array(key.length), new Float64Array(key.length)]
  const logSumExp = new Float64Array(batch * heads * time)
  const scale = 1 / Math.sqrt(width)
  const features = Array.from({ length: width }, (_, d) => d)
  const dot = (a: ArrayLike<number>, at: number, b: ArrayLike<number>, other: number) =>
    features.reduce((sum, d) => sum + a[at + d]! * b[other + d]!, 0)
  for (let b = 0; b < batch; b++)
    for (let head = 0; head < heads; head++)
      for (let t = 0; t < time; t++) {
        const at = ((b * time + t) * heads + head) * width
        const group = Math.floor((head * groups) / heads)
        const placeOf = (u: number) => ((b * time + u) * groups + group) * width
        const start = starts?.[b * time + t] ?? 0
        const seen = Array.from({ length: t + 1 - start }, (_, i) => start + i)
        const scores = seen.map((u) => scale * dot(query, at, key, placeOf(u)))
        const largest = Math.max(...scores)
        const sum = scores.reduce((total, score) => total + Math.exp(score - largest), 0)
        logSumExp[(b * heads + head) * time + t] = largest + Math.log(sum)
        const p = scores.map((score) => Math.exp(score - largest) / sum)
        for (const [i, u] of seen.entries())
          for (const d of features) y[at + d]! += p[i]! * value[placeOf(u) + d]!
        const delta = dot(dy, at, y, at)
        for (const [i, u] of seen.entries()) {
          const gradient = p[i]! * (dot(dy, at, value, placeOf(u)) - delta) * scale
          for (const d of features) {
            dQuery[at + d]! += gradient * key[placeOf(u) + d]!
            dKey[placeOf(u) + d]! += gradient * query[at + d]!
            dValue[placeOf(u) + d]! += p[i]! * dy[at + d]!
          }
        }
      }
  return { y, logSumExp, dQuery, dKey, dValue }
}

const grouped = (r: Random) => {
  const groups = 1 + r.below(3)
  const shape = {
    batch: 1 + r.below(3),
    time: r.from([1, 5, 33, 100, 170]),
    heads: groups * (1 + r.below(3)),
    groups,
    width: r.from([4, 10, 32, 64])
  }
  const { batch, heads, time, width } = shape
  const wide = [batch, time, heads * width] as const
  const narrow = [batch, time, groups * width] as const
  const size = (sides: ReadonlyArray<number>) => sides.reduce((a, b) => a * b, 1)
  let start = 0
  const starts = Int32Array.from({ length: batch * time }, (_, i) => {
    if (i % time === 0) start = 0
    else if (r.below(20) === 0) start = i % time
    return start
  })
  return {
    shape,
    wide,
    narrow,
    query: r.floats(size(wide)).map((x) => 3 * x),
    key: r.floats(size(narrow)).map((x) => 3 * x),
    value: r.floats(size(narrow)),
    dy: r.floats(size(wide)),
    starts: r.below(3) === 0 ? undefined : starts,
    attributes: { heads, groups }
  }
}

const groupedAttention = (r: Random): Wanted => {
  const { attributes, dy, key, narrow, query, shape, starts, value, wide } = grouped(r)
  const { logSumExp, y } = attended(shape, [query, key, value], starts, dy)
  return make(
    "groupedAttention",
    attributes,
    [
      ["query", [wide, query]],
      ["key", [narrow, key]],
      ["value", [narrow, value]],
      ["starts", starts && [wide.slice(0, 2), starts]]
    ],
    [
      ["y", wide, y],
      ["logSumExp", [shape.batch, shape.heads, shape.time], logSumExp]
    ]
  )
}

const groupedAttentionBackward = (r: Random): Wanted => {
  const { attributes, dy, key, narrow, query, shape, starts, value, wide } = grouped(r)
  const { dKey, dQuery, dValue, logSumExp, y } = attended(shape, [query, key, value], starts, dy)
  const sums = [shape.batch, shape.heads, shape.time]
  return make(
    "groupedAttentionBackward",
    attributes,
    [
      ["dy", [wide, dy]],
      ["query", [wide, query]],
      ["key", [narrow, key]],
      ["value", [narrow, value]],
      ["starts", starts && [wide.slice(0, 2), starts]],
      ["y", [wide, Float32Array.from(y)]],
      ["logSumExp", [sums, Float32Array.from(logSumExp)]]
    ],
    [
      ["dQuery", wide, dQuery],
      ["dKey", narrow, dKey],
      ["dValue", narrow, dValue]
    ]
  )
}

/** The last tokens of a sequence against a cache that holds those before them. */
const groupedAttentionCached = (r: Random): Wanted => {
  const { attributes, dy, key, narrow, query, shape, value, wide } = grouped(r)
  const { batch, time } = shape
  const { y } = attended(shape, [query, key, value], undefined, dy)
  const fresh = 1 + r.below(Math.min(time, 7))
  const rows = <A extends Float32Array | Float64Array>(
    from: A,
    first: number,
    count: number,
    row: number
  ): A => {
    const picked = Array.from({ length: batch }, (_, b) => [
      ...from.subarray((b * time + first) * row, (b * time + first + count) * row)
    ])
    return (from instanceof Float32Array ? Float32Array : Float64Array).from(picked.flat()) as A
  }
  const cache = (from: Float32Array) =>
    from.map((x, i) => (Math.floor(i / narrow[2]) % time < time - fresh ? x : Number.NaN))
  const last = (from: Float32Array, row: number) => rows(from, time - fresh, fresh, row)
  return make(
    "groupedAttentionCached",
    attributes,
    [
      ["query", [[batch, fresh, wide[2]], last(query, wide[2])]],
      ["key", [[batch, fresh, narrow[2]], last(key, narrow[2])]],
      ["value", [[batch, fresh, narrow[2]], last(value, narrow[2])]],
      ["keys", undefined],
      ["values", undefined],
      ["offset", [[1], Int32Array.of(time - fresh)]],
      ["slots", undefined]
    ],
    [
      ["y", [batch, fresh, wide[2]], rows(y, time - fresh, fresh, wide[2])],
      ["keys", narrow, key],
      ["values", narrow, value]
    ],
    [
      ["keys", narrow, cache(key)],
      ["values", narrow, cache(value)]
    ]
  )
}

const tested = underTest()
for (const kernels of tested?.kernels ?? [])
  describe(`attention in groups on ${kernels}`, () => {
    for (const from of [groupedAttention, groupedAttentionBackward, groupedAttentionCached])
      it.live(from.name, () => agrees(tested!.addon, kernels, from, 8))
  })
