/** Layers over few rows, as generation has them: each row's bits are its own, whatever is computed beside it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { difference } from "../../src/contract/compare.ts"
import { engine } from "../../src/cpu/engine.ts"
import * as Builder from "../../src/program/Builder.ts"
import { engine as reference } from "../../src/reference/engine.ts"

const values = (length: number, seed: number) =>
  Float32Array.from({ length }, (_, i) => (((i + seed) * 7919) % 1009) / 1009 - 0.5)

/** A layer with its bias, and GELU of it. */
const run = Effect.fnUntraced(function* (on: typeof reference, x: Float32Array, ins: number, outs: number) {
  const b = Builder.make("layer")
  const y = b.linear(b.input("x", [x.length / ins, ins]), {
    weight: b.input("weight", [outs, ins]),
    bias: b.input("bias", [outs])
  })
  const program = b.build([y, b.gelu(y)])
  const session = yield* on.open([], { threads: 2, precision: "f32" })
  const prepared = yield* session.prepare(program)
  const outputs = yield* prepared.run({ x, weight: values(outs * ins, 3), bias: values(outs, 5) })
  return program.outputs.map((name) => outputs[name]!)
}, Effect.scoped)

describe("a layer over few rows", () => {
  for (const [ins, outs] of [
    [37, 18],
    [64, 131]
  ] as const)
    it.live(`of ${ins} numbers gives each row the bits that it has alone, as reference has them`, () =>
      Effect.gen(function* () {
        const x = values(16 * ins, 1)
        const row = (one: Float32Array, size: number, index: number) =>
          one.slice(index * size, (index + 1) * size)
        const alone = yield* Effect.forEach(Array.from({ length: 16 }), (_, index) =>
          run(engine, row(x, ins, index), ins, outs)
        )
        for (const rows of [2, 5, 16]) {
          const together = yield* run(engine, x.slice(0, rows * ins), ins, outs)
          const expected = yield* run(reference, x.slice(0, rows * ins), ins, outs)
          for (const [output, all] of together.entries()) {
            assert.isUndefined(difference("y", all, expected[output]!, 3e-5))
            for (let index = 0; index < rows; index++)
              assert.deepStrictEqual(row(all, outs, index), alone[index]![output], `row ${index} of ${rows}`)
          }
        }
      })
    )
})
