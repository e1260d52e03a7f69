/** What precision int8, matrices in 8 bits for generation and validation, must do in every engine that offers it. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Availability, Engine } from "../src/Backend.ts"
import { difference, sameBits } from "../src/contract/compare.ts"
import { runOnce } from "../src/contract/running.ts"
import { tiny, trainProgram } from "../src/contract/tinyGpt.ts"
import { make } from "../src/program/Builder.ts"
import { sessionTensors } from "../src/program/Program.ts"
import { engine as reference } from "../src/reference/engine.ts"

const scattered = (size: number, seed: number) =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(seed + i * 1.7) * (1 + Math.cos(i * 0.37)))

/** Each 64 neighbours of a row as whole numbers up to 127 of a scale, written out in float64. */
const rounded = (values: Float32Array, width: number): Float32Array => {
  const result = new Float32Array(values.length)
  for (let row = 0; row < values.length; row += width)
    for (let begin = row; begin < row + width; begin += 64) {
      const end = Math.min(row + width, begin + 64)
      const scale = Math.max(...values.subarray(begin, end).map(Math.abs)) / 127
      for (let i = begin; i < end; i++) result[i] = scale === 0 ? 0 : Math.round(values[i]! / scale) * scale
    }
  return result
}

const linear = (rows: number, k: number, n: number) => {
  const b = make("linear")
  const x = b.input("x", [rows, k])
  const bias = b.input("bias", [n])
  const weight = b.parameter("weight", [n, k])
  const [y] = b.step("linear", [x, weight, bias])
  return {
    program: b.build([y!]),
    y: y!.name,
    n,
    k,
    weight: scattered(n * k, 3),
    inputs: { x: scattered(rows * k, rows).subarray(0, rows * k), bias: scattered(n, 5) }
  }
}
const shapes = [
  [37, 150],
  [601, 33],
  [64, 16]
] as const

/** `many` is the tolerance of products of many rows, which may be in the engine's other precisions. */
export const int8Suite = (engine: Engine, here: Availability, many: number) => {
  const run = Effect.fnUntraced(function* (
    on: Engine,
    one: ReturnType<typeof linear>,
    precision: "f32" | "int8",
    weight: Float32Array,
    threads = 1
  ) {
    const session = yield* on.open(sessionTensors(one.program), { threads, precision })
    yield* session.write("weight", weight)
    const outputs = yield* runOnce(session, one.program, one.inputs)
    return { y: outputs[one.y]!, weight: yield* session.read("weight") }
  }, Effect.scoped)

  it.live.skipIf(!here.available)(
    "products are those of the rounded weights, to 1e-4 for up to 8 rows, to the same bits for any number of threads",
    () =>
      Effect.gen(function* () {
        for (const [k, n] of shapes)
          for (const rows of [1, 2, 3, 4, 5, 6, 7, 8, 9, 40]) {
            const one = linear(rows, k, n)
            const grid = rounded(one.weight, k)
            const right = yield* run(reference, one, "f32", grid)
            const mine = yield* run(engine, one, "int8", one.weight)
            const three = yield* run(engine, one, "int8", one.weight, 3)
            assert.isUndefined(difference("weight", mine.weight, grid, 1e-6), `${rows} × ${k} × ${n}`)
            assert.isUndefined(
              difference("y", mine.y, right.y, rows <= 8 ? 1e-4 : many),
              `${rows} × ${k} × ${n}`
            )
            assert.isTrue(sameBits(mine.y, three.y), `${rows} × ${k} × ${n} with 3 threads`)
          }
      })
  )

  it.live.skipIf(!here.available)("a row's bits do not depend on the rows beside it", () =>
    Effect.gen(function* () {
      const [one, eight] = [linear(1, 601, 33), linear(8, 601, 33)]
      const alone = yield* run(
        engine,
        { ...one, inputs: { ...one.inputs, x: eight.inputs.x.subarray(0, 601) } },
        "int8",
        one.weight
      )
      const beside = yield* run(engine, eight, "int8", eight.weight)
      assert.isTrue(sameBits(alone.y, beside.y.subarray(0, 33)))
    })
  )

  it.live.skipIf(!here.available)("what is no finite number stays so, and zeros stay zeros", () =>
    Effect.gen(function* () {
      const one = linear(2, 64, 16)
      const weight = one.weight.slice()
      weight[3] = Number.NaN
      weight.fill(0, 64, 128)
      const { y } = yield* run(engine, one, "int8", weight)
      assert.isNaN(y[0])
      assert.strictEqual(y[1], one.inputs.bias[1])
      assert.isTrue(Number.isFinite(y[2]))
      const x = one.inputs.x.slice()
      x[70] = Number.POSITIVE_INFINITY
      const other = yield* run(engine, { ...one, inputs: { ...one.inputs, x } }, "int8", one.weight)
      assert.isTrue(Number.isFinite(other.y[0]))
      assert.isFalse(Number.isFinite(other.y[16]))
    })
  )

  it.live.skipIf(!here.available)("a program that trains is refused with a sentence", () =>
    Effect.gen(function* () {
      const program = trainProgram(tiny)
      const session = yield* engine.open(sessionTensors(program), { threads: 1, precision: "int8" })
      const error = yield* Effect.flip(session.prepare(program))
      assert.match(
        error.message,
        /it changes .*, and precision int8 is for generation and validation alone\. Take --precision bf16 or f32/
      )
    }).pipe(Effect.scoped)
  )
}
