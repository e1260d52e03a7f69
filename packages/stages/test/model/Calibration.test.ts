import { assert, describe, it } from "@effect/vitest"
import { engine } from "@trainyard/backends/reference/engine"
import { Effect } from "effect"
import * as fc from "fast-check"
import { fit, scaled, temperatureScaled } from "../../src/model/Calibration.ts"
import { initialValues, parameters } from "../../src/model/Parameters.ts"
import { generate, Ports, tensorsOf } from "../../src/model/Programs.ts"

const spec = {
  model: { embedding: 8, layers: 1, heads: 2, bias: true, dropout: 0 },
  vocabularySize: 11,
  sequenceLength: 6
}

/** Logits of three tokens, with a temperature in the final norm. */
const logitsAt = (model: typeof spec.model, temperature: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const sized = { ...spec, model }
      const program = generate(sized, 3)
      const session = yield* engine.open(tensorsOf([program]), { threads: 1, precision: "f32" })
      const norm = scaled(sized).map(({ name }) => name)
      for (const parameter of parameters(sized)) {
        const values = initialValues(parameter, 3).map((value, index) => value + Math.sin(index))
        yield* session.write(
          parameter.name,
          norm.includes(parameter.name) ? temperatureScaled(values, temperature) : values
        )
      }
      const prepared = yield* session.prepare(program)
      const outputs = yield* prepared.run({
        [Ports.tokens]: Int32Array.of(1, 5, 9),
        [Ports.offset]: new Int32Array(1)
      })
      return outputs[Ports.logits]!
    })
  )

describe("temperatureScaled", () => {
  for (const bias of [true, false])
    it.effect(`the final norm ${bias ? "with" : "without"} bias divides every logit by the temperature`, () =>
      Effect.gen(function* () {
        const model = { ...spec.model, bias }
        const plain = yield* logitsAt(model, 1)
        const divided = yield* logitsAt(model, 1.25)
        assert.isTrue(plain.some((value) => Math.abs(value) > 0.1))
        for (const [index, value] of plain.entries()) assert.closeTo(divided[index]! * 1.25, value, 1e-4)
      })
    )
})

describe("fit", () => {
  it.effect("finds the least of a valley to within a stride", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.double({ min: 0.6, max: 3.5, noNaN: true }),
          fc.double({ min: 0.6, max: 3.5, noNaN: true }),
          async (least, start) => {
            const found = await Effect.runPromise(
              fit(start, (temperature) => Effect.succeed(Math.log(temperature / least) ** 2))
            )
            assert.isAtMost(Math.abs(Math.log(found / least)), Math.log(1.05))
          }
        )
      )
    )
  )

  it.effect("stays where no loss is finite", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* fit(1.3, () => Effect.succeed(Number.NaN)), 1.3)
    })
  )

  it.effect("ends where there is no least", () =>
    Effect.gen(function* () {
      assert.isAtMost(yield* fit(1, (temperature) => Effect.succeed(-temperature)), 4)
      assert.isAtLeast(yield* fit(1, (temperature) => Effect.succeed(temperature)), 0.5)
    })
  )
})
