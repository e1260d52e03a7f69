/** Kernels of the second model family and the primitives: as reference on uneven shapes, and the same bits for any number of threads. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Engine } from "../../src/Backend.ts"
import { engine, make } from "../../src/cpu/engine.ts"
import type { Attributes, Program, Tensor } from "../../src/program/Program.ts"
import { sizeOf } from "../../src/program/Program.ts"
import { engine as reference } from "../../src/reference/engine.ts"

type Values = Float32Array | Int32Array
type Given = readonly [name: string, shape: ReadonlyArray<number>, values: Values]

/** One step: what it reads, what it writes into session tensors, and those that it adds to. */
interface Case {
  readonly operation: string
  readonly attributes: Attributes
  readonly given: ReadonlyArray<Given | undefined>
  readonly results: ReadonlyArray<readonly [name: string, shape: ReadonlyArray<number>]>
  readonly accumulate?: ReadonlyArray<string>
}

/** Numbers from -1 to 1 (mulberry32). */
const floats = (seed: number, shape: ReadonlyArray<number>) => {
  let state = seed
  return Float32Array.from({ length: sizeOf(shape) }, () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) / 2 ** 31
  })
}

const held = ({ results }: Case): ReadonlyArray<Tensor> =>
  results.map(([name, shape]): Tensor => ({ name, shape, role: "state", type: "f32" }))

const programOf = (one: Case): Program => {
  const inputs = one.given.flatMap((given): ReadonlyArray<Tensor> => {
    if (given === undefined) return []
    const [name, shape, values] = given
    return [{ name, shape, role: "input", type: values instanceof Int32Array ? "i32" : "f32" }]
  })
  return {
    name: one.operation,
    tensors: Object.fromEntries([...inputs, ...held(one)].map((tensor) => [tensor.name, tensor])),
    steps: [
      {
        operation: one.operation,
        attributes: one.attributes,
        inputs: one.given.map((given) => given?.[0] ?? ""),
        outputs: one.results.map(([name]) => name),
        accumulate: one.accumulate ?? []
      }
    ],
    outputs: []
  }
}

/** What the results hold after a run; before it, each holds numbers of its own. */
const ran = (on: Engine, one: Case, threads: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const session = yield* on.open(held(one), { threads, precision: "f32" })
      for (const [index, [name, shape]] of one.results.entries())
        yield* session.write(name, floats(100 + index, shape))
      const prepared = yield* session.prepare(programOf(one))
      const given = one.given.flatMap((one) => (one === undefined ? [] : [[one[0], one[2]] as const]))
      yield* prepared.run(Object.fromEntries(given))
      return yield* Effect.forEach(one.results, ([name]) => session.read(name))
    })
  )

/** The engine on runtimes without fused multiply-add. */
const plain = make({ binary: "simd" })

const assertNear = (one: Case, mine: ReadonlyArray<Float32Array>, expected: ReadonlyArray<Float32Array>) => {
  for (const [index, [name]] of one.results.entries()) {
    const largest = expected[index]!.reduce((most, value) => Math.max(most, Math.abs(value)), 0.1)
    for (const [i, value] of mine[index]!.entries())
      if (!(Math.abs(value - expected[index]![i]!) <= 2e-5 * largest))
        assert.fail(`${name}[${i}] is ${value}, not ${expected[index]![i]}`)
  }
}

const agrees = (one: Case) =>
  Effect.gen(function* () {
    const expected = yield* ran(reference, one, 1)
    const first = yield* ran(engine, one, 1)
    assertNear(one, first, expected)
    for (const threads of [2, 3, 8])
      assert.deepStrictEqual(yield* ran(engine, one, threads), first, `${threads} threads`)
    assertNear(one, yield* ran(plain, one, 2), expected)
  })

interface Attention {
  readonly batch: number
  readonly time: number
  readonly heads: number
  readonly groups: number
  readonly size: number
  /** Positions where documents begin, other than the first. */
  readonly documents?: ReadonlyArray<number>
  readonly accumulate?: ReadonlyArray<string>
}

const operandsOf = ({ batch, documents, groups, heads, size, time }: Attention) => {
  const wide = [batch, time, heads * size]
  const narrow = [batch, time, groups * size]
  const starts = Int32Array.from(
    { length: batch * time },
    (_, i) => documents?.findLast((start) => start + Math.floor(i / time) <= i % time) ?? 0
  )
  const given = {
    query: ["query", wide, floats(1, wide).map((x) => 3 * x)],
    key: ["key", narrow, floats(2, narrow).map((x) => 3 * x)],
    value: ["value", narrow, floats(3, narrow)],
    starts: documents === undefined ? undefined : ["starts", [batch, time], starts]
  } satisfies Record<string, Given | undefined>
  return { wide, narrow, sums: [batch, heads, time], given, attributes: { heads, groups } }
}

const forward = (shape: Attention): Case => {
  const { attributes, given, sums, wide } = operandsOf(shape)
  return {
    operation: "groupedAttention",
    attributes,
    given: [given.query, given.key, given.value, given.starts],
    results: [
      ["y", wide],
      ["logSumExp", sums]
    ]
  }
}

const backward = (shape: Attention) =>
  Effect.map(ran(reference, forward(shape), 1), ([y, logSumExp]): Case => {
    const { attributes, given, narrow, sums, wide } = operandsOf(shape)
    return {
      operation: "groupedAttentionBackward",
      attributes,
      given: [
        ["dy", wide, floats(4, wide)],
        ...[given.query, given.key, given.value, given.starts],
        ["y", wide, y!],
        ["logSumExp", sums, logSumExp!]
      ],
      results: [
        ["dQuery", wide],
        ["dKey", narrow],
        ["dValue", narrow]
      ],
      accumulate: shape.accumulate ?? []
    }
  })

const shapes: Readonly<Record<string, Attention>> = {
  "one head of 24": { batch: 1, time: 129, heads: 1, groups: 1, size: 24, documents: [50, 77] },
  "six heads in two groups": {
    ...{ batch: 2, time: 65, heads: 6, groups: 2, size: 10 },
    ...{ documents: [1, 48, 60], accumulate: ["dKey"] }
  },
  "three heads of one group, without documents": {
    ...{ batch: 3, time: 50, heads: 3, groups: 1, size: 7 },
    accumulate: ["dQuery", "dKey", "dValue"]
  },
  "as many groups as heads": { batch: 1, time: 97, heads: 3, groups: 3, size: 16, documents: [96] }
}

describe("attention in groups", () => {
  for (const [name, shape] of Object.entries(shapes)) {
    it.live(name, () => agrees(forward(shape)))
    it.live(`${name}, backward`, () => Effect.flatMap(backward(shape), agrees))
  }
})

const rotated = (time: number, heads: number, size: number, inverse: boolean): Case => {
  const shape = [2, time, heads * size]
  return {
    operation: "rope",
    attributes: { heads, theta: 10_000, inverse },
    given: [
      ["x", shape, floats(5, shape)],
      ["offset", [1], Int32Array.of(11)]
    ],
    results: [["y", shape]],
    accumulate: inverse ? ["y"] : []
  }
}

const normalised = (size: number): Case => {
  const shape = [3, 67, 5 * size]
  return {
    operation: "rmsNormBackward",
    attributes: { epsilon: 1e-6 },
    given: [
      ["dy", shape, floats(6, shape)],
      ["x", shape, floats(7, shape)],
      ["gain", [size], floats(8, [size])]
    ],
    results: [
      ["dx", shape],
      ["dGain", [size]]
    ],
    accumulate: ["dGain"]
  }
}

const gated = (operation: "swiglu" | "swigluBackward"): Case => {
  const shape = [129, 131]
  const isBackward = operation === "swigluBackward"
  return {
    operation,
    attributes: {},
    given: [
      ...(isBackward ? [["dy", shape, floats(9, shape)] as const] : []),
      ["gate", shape, floats(10, shape).map((x) => 20 * x)],
      ["up", shape, floats(11, shape)]
    ],
    results: (isBackward ? ["dGate", "dUp"] : ["y"]).map((name) => [name, shape] as const),
    accumulate: isBackward ? ["dUp"] : []
  }
}

/** Most indices fall on a few rows, some on none. */
const scattered = (columns: number, adds: boolean): Case => ({
  operation: "scatterAdd",
  attributes: { rows: 101 },
  given: [
    ["x", [700, columns], floats(12, [700, columns])],
    ["index", [700], Int32Array.from({ length: 700 }, (_, i) => (i % 3 === 0 ? i % 7 : (i * i) % 102) - 1)]
  ],
  results: [["y", [101, columns]]],
  accumulate: adds ? ["y"] : []
})

/** Sums over rows and over columns of a matrix, larger than a task. */
const summed = (over: "rows" | "columns"): Case => {
  const shape = [210, 317]
  const [outer, inner] = over === "columns" ? [210, 317] : [317, 210]
  return {
    operation: "reduce",
    attributes: {
      shape: [outer, inner],
      formula: "exp(x) * sin(i1)",
      names: ["x"],
      views: [
        { offset: 0, strides: over === "columns" ? [317, 1] : [1, 317] },
        { offset: 0, strides: [1] }
      ],
      result: [outer],
      kind: "sum",
      over: 1
    },
    given: [["x", shape, floats(13, shape)]],
    results: [["y", [outer]]]
  }
}

describe("other kernels", () => {
  it.live("rotary positions over more than one task", () => agrees(rotated(301, 3, 32, false)))
  it.live("rotary positions turned back, in heads of no whole vector", () =>
    agrees(rotated(150, 2, 10, true))
  )
  it.live("RMS norm's gradient in runs of 24", () => agrees(normalised(24)))
  it.live("RMS norm's gradient in runs of 13", () => agrees(normalised(13)))
  it.live("SwiGLU", () => agrees(gated("swiglu")))
  it.live("SwiGLU's gradient", () => agrees(gated("swigluBackward")))
  for (const columns of [3, 40, 600])
    for (const adds of [false, true])
      it.live(`scatterAdd of ${columns} columns${adds ? ", added" : ""}`, () =>
        agrees(scattered(columns, adds))
      )
  it.live("sums over contiguous elements", () => agrees(summed("columns")))
  it.live("sums over strided elements", () => agrees(summed("rows")))
})
