/**
 * The kernels of the second model family against plain formulas in float64, on every kernel path, with the same bits for any number of
 * threads. That they are their operations' expansions is checked by the contract suite.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Addon, load } from "../../src/native/addon.ts"
import type { Step } from "../../src/program/Program.ts"
import { type OneStep, type Random, ran, random, type Values } from "./oneStep.ts"
import { paths } from "./paths.ts"

const loaded = load()

type Shaped = readonly [shape: ReadonlyArray<number>, values: Values]
/** A step and what its outputs are to be, by name. */
interface Wanted {
  readonly one: OneStep
  readonly wanted: Readonly<Record<string, ArrayLike<number>>>
}

const make = (
  operation: string,
  attributes: Step["attributes"],
  given: ReadonlyArray<readonly [name: string, shaped: Shaped | undefined]>,
  results: ReadonlyArray<readonly [name: string, shape: ReadonlyArray<number>, values: ArrayLike<number>]>,
  held: ReadonlyArray<readonly [name: string, shape: ReadonlyArray<number>, values: Float32Array]> = []
): Wanted => {
  const isHeld = (name: string) => held.some(([other]) => other === name)
  return {
    one: {
      step: {
        operation,
        attributes,
        inputs: given.map(([name, shaped]) => (shaped === undefined && !isHeld(name) ? "" : name)),
        outputs: results.map(([name]) => name),
        accumulate: []
      },
      given: Object.fromEntries(
        given.flatMap(([name, shaped]) =>
          shaped === undefined ? [] : [[name, { shape: shaped[0], values: shaped[1] }]]
        )
      ),
      held: {
        ...Object.fromEntries(
          results.map(([name, shape, values]) => [
            name,
            { shape, values: new Float32Array(values.length).fill(Number.NaN) }
          ])
        ),
        ...Object.fromEntries(held.map(([name, shape, values]) => [name, { shape, values }]))
      }
    },
    wanted: Object.fromEntries(results.map(([name, , values]) => [name, values]))
  }
}

const rmsNorm = (r: Random): Wanted => {
  const [rows, runs, width] = [1 + r.below(70), 1 + r.below(4), r.from([1, 7, 32, 100])]
  const x = r.floats(rows * runs * width)
  const gain = r.floats(width)
  const y = x.map((value, i) => {
    const run = x.subarray(i - (i % width), i - (i % width) + width)
    const square = run.reduce((sum, each) => sum + each * each, 0) / width
    return (value / Math.sqrt(square + 1e-2)) * gain[i % width]!
  })
  return make(
    "rmsNorm",
    { epsilon: 1e-2 },
    [
      ["x", [[rows, runs * width], x]],
      ["gain", [[width], gain]]
    ],
    [["y", [rows, runs * width], y]]
  )
}

const rmsNormBackward = (r: Random): Wanted => {
  const [rows, width] = [1 + r.below(200), r.from([1, 7, 32, 100])]
  const [dy, x, gain] = [r.floats(rows * width), r.floats(rows * width), r.floats(width)]
  const dx = new Float64Array(rows * width)
  const dGain = new Float64Array(width)
  for (let row = 0; row < rows; row++) {
    const at = row * width
    const columns = [...gain.keys()]
    const sum = (term: (c: number) => number) => columns.reduce((total, c) => total + term(c), 0)
    const factor = 1 / Math.sqrt(sum((c) => x[at + c]! ** 2) / width + 1e-2)
    const mean = sum((c) => dy[at + c]! * gain[c]! * x[at + c]! * factor) / width
    for (const c of columns) {
      dx[at + c] = factor * (dy[at + c]! * gain[c]! - x[at + c]! * factor * mean)
      dGain[c]! += dy[at + c]! * x[at + c]! * factor
    }
  }
  return make(
    "rmsNormBackward",
    { epsilon: 1e-2 },
    [
      ["dy", [[rows, width], dy]],
      ["x", [[rows, width], x]],
      ["gain", [[width], gain]]
    ],
    [
      ["dx", [rows, width], dx],
      ["dGain", [width], dGain]
    ]
  )
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))

const swiglu = (r: Random): Wanted => {
  const shape = [1 + r.below(30), 1 + r.below(70)]
  const size = shape[0]! * shape[1]!
  const [gate, up] = [r.floats(size).map((x) => 100 * x), r.floats(size)]
  return make(
    "swiglu",
    {},
    [
      ["gate", [shape, gate]],
      ["up", [shape, up]]
    ],
    [["y", shape, gate.map((g, i) => g * sigmoid(g) * up[i]!)]]
  )
}

const swigluBackward = (r: Random): Wanted => {
  const shape = [1 + r.below(30), 1 + r.below(70)]
  const size = shape[0]! * shape[1]!
  const [dy, gate, up] = [r.floats(size), r.floats(size).map((x) => 9 * x), r.floats(size)]
  return make(
    "swigluBackward",
    {},
    [
      ["dy", [shape, dy]],
      ["gate", [shape, gate]],
      ["up", [shape, up]]
    ],
    [
      [
        "dGate",
        shape,
        dy.map((d, i) => d * up[i]! * sigmoid(gate[i]!) * (1 + gate[i]! * sigmoid(-gate[i]!)))
      ],
      ["dUp", shape, dy.map((d, i) => d * gate[i]! * sigmoid(gate[i]!))]
    ]
  )
}

const rope = (r: Random): Wanted => {
  const [batch, time, heads, half] = [1 + r.below(3), 1 + r.below(40), 1 + r.below(3), r.from([1, 5, 16, 20])]
  const width = 2 * half
  const offset = r.below(50)
  const shape = [batch, time, heads * width]
  const x = r.floats(batch * time * heads * width)
  const inverse = r.below(2) === 0
  const y = x.map((value, i) => {
    const t = Math.floor(i / (heads * width)) % time
    const d = i % width
    const angle = Math.fround((offset + t) * Math.fround(1000 ** (-(d % half) / half))) * (inverse ? -1 : 1)
    const other = d < half ? -x[i + half]! : x[i - half]!
    return value * Math.cos(angle) + other * Math.sin(angle)
  })
  return make(
    "rope",
    { heads, theta: 1000, ...(inverse ? { inverse: true } : {}) },
    [
      ["x", [shape, x]],
      ["offset", [[1], Int32Array.of(offset)]]
    ],
    [["y", shape, y]]
  )
}

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
      ["offset", [[1], Int32Array.of(time - fresh)]]
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

const agrees = (addon: Addon, kernels: string, from: (r: Random) => Wanted, count: number) =>
  Effect.gen(function* () {
    for (let seed = 1; seed <= count; seed++) {
      const { one, wanted } = from(random(seed))
      const results = yield* ran(addon, { kernels, threads: 1, bf16: false }, one)
      for (const [name, values] of Object.entries(wanted)) {
        const scale = Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0.1)
        for (const [i, value] of results[name]!.entries())
          if (!(Math.abs(value - values[i]!) <= 1e-5 * scale))
            assert.fail(
              `seed ${seed}: ${name}[${i}] is ${value}, not ${values[i]}: ${JSON.stringify(one.step)}`
            )
      }
      for (const threads of [2, 7])
        assert.deepStrictEqual(
          yield* ran(addon, { kernels, threads, bf16: false }, one),
          results,
          `seed ${seed}`
        )
    }
  })

if (loaded.loaded) {
  const { addon } = loaded
  const here = addon
    .paths()
    .flatMap(({ name, supported }) => (supported && paths.includes(name) ? [name] : []))
  for (const kernels of here)
    describe(`kernels of the second family on ${kernels}`, () => {
      for (const from of [rmsNorm, rmsNormBackward, swiglu, swigluBackward, rope])
        it.live(from.name, () => agrees(addon, kernels, from, 25))
      for (const from of [groupedAttention, groupedAttentionBackward, groupedAttentionCached])
        it.live(from.name, () => agrees(addon, kernels, from, 12))
    })
}
