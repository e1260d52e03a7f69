/** The operations that reference computes by expansion, against loops that transcribe their formulas in float64. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { uniform } from "../../../src/contract/random.ts"
import { type Builder, make } from "../../../src/program/Builder.ts"
import { sizeOf, type Tensor } from "../../../src/program/Program.ts"
import { interpret, type Memory } from "../../../src/reference/interpret.ts"

/** Runs a program over random values, and those that are given, in float64; gives all tensors. */
const run = Effect.fnUntraced(function* (
  write: (b: Builder) => ReadonlyArray<Tensor>,
  given: Readonly<Record<string, ReadonlyArray<number>>> = {}
) {
  const b = make("expansion")
  const program = b.build(write(b))
  const next = uniform(3)
  const memory: Memory = new Map()
  for (const { name, shape, type } of Object.values(program.tensors)) {
    const numbers = given[name] ?? Array.from({ length: sizeOf(shape) }, () => next() * 2 - 1)
    memory.set(name, type === "i32" ? Int32Array.from(numbers) : Float64Array.from(numbers))
  }
  const before = new Map([...memory].map(([name, values]) => [name, [...values]]))
  yield* interpret("reference", program, memory)
  return { before: (name: string) => before.get(name)!, after: (name: string) => [...memory.get(name)!] }
})

const close = (actual: ReadonlyArray<number>, expected: ReadonlyArray<number>) => {
  assert.strictEqual(actual.length, expected.length)
  expected.forEach((value, i) => {
    assert.closeTo(actual[i]!, value, 1e-12, `[${i}]`)
  })
}

/** softmax(q · k / √D) · v of one query over keys and values from `from` to `to`, of rows `stride` wide. */
const attend = (
  q: ReadonlyArray<number>,
  keys: ReadonlyArray<number>,
  values: ReadonlyArray<number>,
  { at, from, size, stride, to }: { at: number; from: number; to: number; size: number; stride: number }
): ReadonlyArray<number> => {
  const rows = Array.from({ length: to - from }, (_, i) => (from + i) * stride + at)
  const scores = rows.map((row) =>
    Math.exp(q.reduce((sum, value, d) => sum + value * keys[row + d]!, 0) / Math.sqrt(size))
  )
  const total = scores.reduce((sum, score) => sum + score, 0)
  return q.map((_, d) => rows.reduce((sum, row, i) => sum + (scores[i]! / total) * values[row + d]!, 0))
}

describe("expansions", () => {
  for (const runs of [1, 3])
    it.effect(`rmsNorm normalises ${runs} runs of each row`, () =>
      Effect.gen(function* () {
        const { after, before } = yield* run((b) => [
          b.apply(
            "rmsNorm",
            { x: b.input("x", [2, runs * 4]), gain: b.input("gain", [4]) },
            { epsilon: 0.01 },
            "y"
          )
        ])
        const x = before("x")
        close(
          after("y.y"),
          x.map((value, i) => {
            const own = x.slice(i - (i % 4), i - (i % 4) + 4)
            const mean = own.reduce((sum, one) => sum + one * one, 0) / 4
            return (value / Math.sqrt(mean + 0.01)) * before("gain")[i % 4]!
          })
        )
      })
    )

  it.effect("swiglu, reluSquared and softCap are their formulas", () =>
    Effect.gen(function* () {
      const { after, before } = yield* run((b) => {
        const [gate, up] = [b.input("gate", [3, 2]), b.input("up", [3, 2])]
        return [
          b.apply("swiglu", { gate, up }, {}, "a"),
          b.apply("reluSquared", { x: gate }, {}, "b"),
          b.apply("softCap", { x: gate }, { limit: 0.7 }, "c")
        ]
      })
      const gate = before("gate")
      close(
        after("a.y"),
        gate.map((g, i) => (g / (1 + Math.exp(-g))) * before("up")[i]!)
      )
      close(
        after("b.y"),
        gate.map((g) => (g > 0 ? g * g : 0))
      )
      close(
        after("c.y"),
        gate.map((g) => 0.7 * Math.tanh(g / 0.7))
      )
    })
  )

  it.effect(
    "rope turns element i of each head with element i + D/2, as Llama does, and inverse turns back",
    () =>
      Effect.gen(function* () {
        const [time, heads, half, theta] = [5, 2, 3, 10_000]
        const { after, before } = yield* run(
          (b) => {
            const offset = b.input("offset", [1], "i32")
            const y = b.apply(
              "rope",
              { x: b.input("x", [2, time, heads * 2 * half]), offset },
              { heads, theta },
              "y"
            )
            return [y, b.apply("rope", { x: y, offset }, { heads, theta, inverse: true }, "z")]
          },
          { offset: [7] }
        )
        const x = before("x")
        close(
          after("y.y"),
          x.map((value, i) => {
            const d = i % (2 * half)
            const position = 7 + (Math.floor(i / (heads * 2 * half)) % time)
            const angle = position * theta ** (-(d % half) / half)
            const other = d < half ? -x[i + half]! : x[i - half]!
            return value * Math.cos(angle) + other * Math.sin(angle)
          })
        )
        close(after("z.y"), x)
      })
  )

  it.effect(
    "groupedAttention sees its own document up to itself, and shares keys among the heads of a group",
    () =>
      Effect.gen(function* () {
        const [batch, time, heads, groups, size] = [2, 4, 6, 2, 3]
        const starts = [0, 0, 2, 2, 0, 1, 1, 3]
        const { after, before } = yield* run(
          (b) => [
            b.apply(
              "groupedAttention",
              {
                query: b.input("q", [batch, time, heads * size]),
                key: b.input("k", [batch, time, groups * size]),
                value: b.input("v", [batch, time, groups * size]),
                starts: b.input("starts", [batch, time], "i32")
              },
              { heads, groups },
              "a"
            )
          ],
          { starts }
        )
        const expected: Array<number> = []
        for (let b = 0; b < batch; b++)
          for (let t = 0; t < time; t++)
            for (let h = 0; h < heads; h++) {
              const row = (b * time + t) * heads * size + h * size
              expected.push(
                ...attend(before("q").slice(row, row + size), before("k"), before("v"), {
                  at: Math.floor(h / (heads / groups)) * size,
                  from: b * time + starts[b * time + t]!,
                  to: b * time + t + 1,
                  size,
                  stride: groups * size
                })
              )
            }
        close(after("a.y"), expected)
      })
  )

  for (const time of [1, 3])
    it.effect(`groupedAttentionCached of ${time} tokens sees what is cached and itself, and is cached`, () =>
      Effect.gen(function* () {
        const [positions, heads, groups, size, offset] = [6, 4, 2, 2, 2]
        const wide = groups * size
        const { after, before } = yield* run(
          (b) => [
            b.apply(
              "groupedAttentionCached",
              {
                query: b.input("q", [1, time, heads * size]),
                key: b.input("k", [1, time, wide]),
                value: b.input("v", [1, time, wide]),
                keys: b.state("keys", [1, positions, wide]),
                values: b.state("values", [1, positions, wide]),
                offset: b.input("offset", [1], "i32")
              },
              { heads, groups },
              "a"
            )
          ],
          { offset: [offset] }
        )
        const placed = (cache: ReadonlyArray<number>, rows: ReadonlyArray<number>) =>
          cache.map((value, i) => rows[i - offset * wide] ?? value)
        const [keys, values] = [placed(before("keys"), before("k")), placed(before("values"), before("v"))]
        close(after("keys"), keys)
        close(after("values"), values)
        const expected = Array.from({ length: time * heads }, (_, i) => {
          const at = Math.floor((i % heads) / (heads / groups)) * size
          const to = offset + Math.floor(i / heads) + 1
          return attend(before("q").slice(i * size, i * size + size), keys, values, {
            at,
            from: 0,
            to,
            size,
            stride: wide
          })
        })
        close(after("a.y"), expected.flat())
      })
    )

  it.effect("groupedAttentionCached fails where its tokens do not fit the cache", () =>
    Effect.gen(function* () {
      const failed = yield* Effect.flip(
        run(
          (b) => [
            b.apply(
              "groupedAttentionCached",
              {
                query: b.input("q", [1, 2, 2]),
                key: b.input("k", [1, 2, 2]),
                value: b.input("v", [1, 2, 2]),
                keys: b.state("keys", [1, 4, 2]),
                values: b.state("values", [1, 4, 2]),
                offset: b.input("offset", [1], "i32")
              },
              { heads: 1, groups: 1 }
            )
          ],
          { offset: [3] }
        )
      )
      assert.match(failed.message, /row 3 is outside a table of 3/)
    })
  )

  it.effect("zLoss is the mean of the squared log of the sum of exponentials", () =>
    Effect.gen(function* () {
      const { after, before } = yield* run((b) => [
        b.apply(
          "zLoss",
          { x: b.input("x", [2, 3, 4]), table: b.input("table", [5, 4]) },
          { weight: 0.3 },
          "z"
        )
      ])
      const [x, table] = [before("x"), before("table")]
      const squares = Array.from({ length: 6 }, (_, row) => {
        const exponentials = Array.from({ length: 5 }, (_, v) =>
          Math.exp([0, 1, 2, 3].reduce((sum, c) => sum + x[row * 4 + c]! * table[v * 4 + c]!, 0))
        )
        return Math.log(exponentials.reduce((sum, one) => sum + one, 0)) ** 2
      })
      close(after("z.loss"), [(0.3 * squares.reduce((sum, one) => sum + one, 0)) / 6])
    })
  )
})
