/** Muon's program against a transcription of Keller Jordan's `muon_update` and its optimizer loop, in float64. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { floats, uniform } from "../../../src/contract/random.ts"
import { make } from "../../../src/program/Builder.ts"
import { type MuonSettings, momentum, muon } from "../../../src/program/optimizers/muon.ts"
import { sizeOf } from "../../../src/program/Program.ts"
import { interpret, type Memory } from "../../../src/reference/interpret.ts"

type Matrix = ReadonlyArray<ReadonlyArray<number>>

const zip = (a: Matrix, b: Matrix, f: (a: number, b: number) => number): Matrix =>
  a.map((row, i) => row.map((value, j) => f(value, b[i]![j]!)))
const transposed = (a: Matrix): Matrix => a[0]!.map((_, j) => a.map((row) => row[j]!))
const times = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => transposed(b).map((column) => row.reduce((sum, value, k) => sum + value * column[k]!, 0)))
const scaled = (a: Matrix, factor: number): Matrix => a.map((row) => row.map((value) => value * factor))

/** zeropower_via_newtonschulz5 */
const newtonSchulz = (g: Matrix, steps: number): Matrix => {
  const [a, b, c] = [3.4445, -4.775, 2.0315]
  let x = g.length > g[0]!.length ? transposed(g) : g
  x = scaled(x, 1 / (Math.sqrt(x.flat().reduce((sum, value) => sum + value * value, 0)) + 1e-7))
  for (let step = 0; step < steps; step++) {
    const gram = times(x, transposed(x))
    const polynomial = zip(scaled(gram, b!), scaled(times(gram, gram), c!), (p, q) => p + q)
    x = zip(scaled(x, a!), times(polynomial, x), (p, q) => p + q)
  }
  return g.length > g[0]!.length ? transposed(x) : x
}

interface Held {
  readonly w: Matrix
  readonly m: Matrix
}

const transcription = ({ m, w }: Held, g: Matrix, rate: number, decay: number, beta = 0.95): Held => {
  const next = zip(m, g, (m, g) => m + (1 - beta) * (g - m))
  const update = newtonSchulz(
    zip(g, next, (g, m) => g + beta * (m - g)),
    5
  )
  const factor = Math.max(1, w.length / w[0]!.length) ** 0.5
  return {
    m: next,
    w: zip(scaled(w, 1 - rate * decay), update, (w, u) => w - rate * factor * u)
  }
}

const matrix = (values: ArrayLike<number>, columns: number): Matrix =>
  Array.from({ length: values.length / columns }, (_, i) =>
    Array.from({ length: columns }, (_, j) => values[i * columns + j]!)
  )

const rate = 0.02

/** Runs updates of one parameter in float64; gives the parameter and its momentum after each. */
const run = Effect.fnUntraced(function* (
  rows: number,
  columns: number,
  settings: MuonSettings,
  scales: ReadonlyArray<number>
) {
  const b = make("muon")
  const shape = [rows, columns]
  muon(settings).append({
    builder: b,
    parameter: b.parameter("w", shape),
    gradient: b.input("g", shape),
    scale: b.input("scale", [1]),
    learningRate: b.input("rate", [1]),
    step: b.input("step", [1], "i32")
  })
  const program = b.build([])
  const next = uniform(5)
  const memory: Memory = new Map()
  for (const { name, shape } of Object.values(program.tensors))
    memory.set(name, new Float64Array(sizeOf(shape)))
  memory.set("w", Float64Array.from(floats(next, rows * columns)))
  memory.set("rate", Float64Array.of(rate))
  const states = [{ w: [...memory.get("w")!], m: [...memory.get(momentum("w"))!], g: [] as Array<number> }]
  for (const scale of scales) {
    const g = Float64Array.from(floats(next, rows * columns))
    memory.set("g", g)
    memory.set("scale", Float64Array.of(scale))
    yield* interpret("reference", program, memory)
    states.push({ w: [...memory.get("w")!], m: [...memory.get(momentum("w"))!], g: [...g] })
  }
  return states
})

const agrees = (actual: ReadonlyArray<number>, expected: Matrix, what: string) =>
  expected.flat().forEach((value, i) => {
    assert.closeTo(actual[i]!, value, 1e-12, `${what}[${i}]`)
  })

describe("muon", () => {
  for (const [rows, columns] of [
    [4, 7],
    [7, 4],
    [5, 5],
    [1, 6]
  ] as const)
    it.effect(`of [${rows}, ${columns}] is the transcription, step by step`, () =>
      Effect.gen(function* () {
        const states = yield* run(rows, columns, { weightDecay: 0.3 }, [1, 0.25, 1])
        let expected: Held = { w: matrix(states[0]!.w, columns), m: matrix(states[0]!.m, columns) }
        for (const [index, { g, m, w }] of states.slice(1).entries()) {
          expected = transcription(expected, scaled(matrix(g, columns), [1, 0.25, 1][index]!), rate, 0.3)
          agrees(w, expected.w, `w after step ${index + 1}`)
          agrees(m, expected.m, `momentum after step ${index + 1}`)
        }
      })
    )

  it.effect("takes each of several matrices on top of each other by itself", () =>
    Effect.gen(function* () {
      const [before, after] = yield* run(9, 4, { parts: 3, weightDecay: 0 }, [1])
      for (const part of [0, 1, 2]) {
        const cut = (values: ReadonlyArray<number>) => matrix(values.slice(part * 12, part * 12 + 12), 4)
        const expected = transcription({ w: cut(before!.w), m: cut(before!.m) }, cut(after!.g), rate, 0)
        agrees(after!.w.slice(part * 12, part * 12 + 12), expected.w, `part ${part}`)
      }
    })
  )

  for (const scale of [Number.NaN, Number.POSITIVE_INFINITY])
    it.effect(`changes nothing where the scale is ${scale}`, () =>
      Effect.gen(function* () {
        const [, before, after] = yield* run(3, 5, {}, [1, scale])
        assert.deepStrictEqual([after!.w, after!.m], [before!.w, before!.m])
      })
    )

  it("refuses what is no matrix", () => {
    const b = make("vector")
    const [scalar, vector] = [b.input("s", [1]), b.parameter("gain", [4])]
    assert.throws(
      () =>
        muon().append({
          builder: b,
          parameter: vector,
          gradient: b.input("g", [4]),
          scale: scalar,
          learningRate: scalar,
          step: b.input("step", [1], "i32")
        }),
      /muon takes matrices, and gain is \[4\]/
    )
  })
})
