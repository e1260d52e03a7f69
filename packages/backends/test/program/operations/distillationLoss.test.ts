import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { make } from "../../../src/program/Builder.ts"
import { engine } from "../../../src/reference/engine.ts"

const settings = { threads: 1, precision: "f32" } as const

/** The formula of the file, in float64. */
const expected = (
  { loss, own, targets, teacher }: { loss: number; own: number[][]; teacher: number[][]; targets: number[] },
  { temperature, weight }: { temperature: number; weight: number }
) => {
  const logSoftmax = (row: number[]) => {
    const scaled = row.map((logit) => logit / temperature)
    const sum = Math.log(scaled.reduce((total, each) => total + Math.exp(each), 0))
    return scaled.map((each) => each - sum)
  }
  const counted = targets.flatMap((target, row) => (target < 0 ? [] : [row]))
  const divergence = counted.map((row) => {
    const p = logSoftmax(own[row]!)
    return logSoftmax(teacher[row]!).reduce((sum, q, v) => sum + Math.exp(q) * (q - p[v]!), 0)
  })
  const mean = divergence.reduce((sum, each) => sum + each, 0) / Math.max(1, counted.length)
  return (1 - weight) * loss + weight * temperature ** 2 * mean
}

describe("distillationLoss", () => {
  it.effect("is the divergence from the teacher beside the loss, without the rows that are ignored", () =>
    Effect.gen(function* () {
      const [x, table] = [
        [0.5, -1, 2, 0.3, 40, -30],
        [1, 0.2, -0.5, 0.7, 0.1, 0.4]
      ]
      const [teacherX, teacherTable] = [
        [1, -2, 0.5],
        [0.3, -1, 0.9]
      ]
      const targets = [0, -1, 2]
      const attributes = { weight: 0.45, temperature: 1.2 }
      const b = make("distill")
      const total = b.step(
        "distillationLoss",
        [
          b.input("loss", [1]),
          b.input("x", [1, 3, 2]),
          b.input("table", [3, 2]),
          b.input("teacherX", [1, 3, 1]),
          b.input("teacherTable", [3, 1]),
          b.input("targets", [1, 3], "i32")
        ],
        attributes
      )[0]!
      const outputs = yield* Effect.scoped(
        Effect.gen(function* () {
          const session = yield* engine.open([], settings)
          const program = yield* session.prepare(b.build([total]))
          return yield* program.run({
            loss: Float32Array.of(2),
            x: Float32Array.from(x),
            table: Float32Array.from(table),
            teacherX: Float32Array.from(teacherX),
            teacherTable: Float32Array.from(teacherTable),
            targets: Int32Array.from(targets)
          })
        })
      )
      const logits = (rows: ReadonlyArray<number>, entries: ReadonlyArray<number>, width: number) =>
        [0, 1, 2].map((row) =>
          [0, 1, 2].map((entry) =>
            Array.from(
              { length: width },
              (_, c) => rows[row * width + c]! * entries[entry * width + c]!
            ).reduce((sum, each) => sum + each, 0)
          )
        )
      const wanted = expected(
        { loss: 2, own: logits(x, table, 2), teacher: logits(teacherX, teacherTable, 1), targets },
        attributes
      )
      assert.closeTo(outputs[total.name]![0]!, wanted, 1e-5 * wanted)
    })
  )
})
