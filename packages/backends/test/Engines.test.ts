import { availableParallelism } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Backend, mostThreads } from "../src/Backend.ts"
import { heldBy, initial, lossName, tiny, trainInputs, trainProgram } from "../src/contract/tinyGpt.ts"
import * as Engines from "../src/Engines.ts"

describe("Engines", () => {
  it.live("survey says for each engine what it would do here, or why not and what would hint it", () =>
    Effect.gen(function* () {
      const all = yield* Engines.survey()
      assert.deepStrictEqual(
        all.map(({ engine }) => engine),
        ["webgpu", "native", "cpu", "gpujs", "reference"]
      )
      for (const { availability } of all) {
        if (availability.available) {
          assert.isNotEmpty(availability.detail)
          assert.include(availability.precisions, availability.preferred)
        } else {
          assert.isNotEmpty(availability.why)
          assert.isNotEmpty(availability.hint)
        }
      }
    })
  )

  it.live("auto picks the first that works here and says why, and why not those before it", () =>
    Effect.gen(function* () {
      const all = yield* Engines.survey()
      const first = all.find(({ availability }) => availability.available && availability.slow !== true)
      const selected = yield* Engines.select()
      assert.strictEqual(selected.engine.name, first?.engine)
      assert.match(selected.why, new RegExp(`^${first?.engine} works here: `))
      for (const { engine } of all.slice(0, all.indexOf(first!))) assert.include(selected.why, engine)
    })
  )

  it.live("what is asked for is what is taken", () =>
    Effect.gen(function* () {
      const { engine, settings, why } = yield* Engines.select({ backend: "reference", threads: 3 })
      assert.strictEqual(engine.name, "reference")
      assert.deepStrictEqual(settings, { threads: 3, precision: "f32" })
      assert.strictEqual(why, "asked for")
    })
  )

  it.live("more threads than the machine runs at once is said, with what to take", () =>
    Effect.gen(function* () {
      const cores = availableParallelism()
      const cautionOf = (threads?: number) =>
        Effect.map(Backend, ({ caution }) => caution).pipe(
          Effect.provide(Engines.layer({ backend: "cpu", threads }))
        )
      if (cores < mostThreads)
        assert.match(
          (yield* cautionOf(cores + 1)) ?? "",
          new RegExp(
            `^${cores + 1} threads are asked for and this machine runs ${cores} .* Take --threads ${cores}`
          )
        )
      assert.isUndefined(yield* cautionOf(cores))
      assert.isUndefined(yield* cautionOf())
    })
  )

  it.live("a precision that the engine does not offer is a clear refusal", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Engines.select({ backend: "reference", precision: "bf16" }))
      assert.strictEqual(
        error.message,
        "The reference engine cannot run here: it does not offer precision bf16 on this machine, only f32. Take --precision f32, or another --backend."
      )
    })
  )

  it.live("an engine asked for by name that cannot run says why, and auto never picks it", () =>
    Effect.gen(function* () {
      for (const { availability, engine } of yield* Engines.survey()) {
        if (availability.available) continue
        const error = yield* Effect.flip(Engines.select({ backend: engine }))
        assert.include(error.message, availability.why)
        assert.include(error.message, availability.hint)
      }
    })
  )

  for (const threads of [0, 65, 1.5])
    it.live(`${threads} threads are refused`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Engines.select({ backend: "reference", threads }))
        assert.match(error.message, /whole number from 1 to 64/)
      })
    )

  it.live("the layer serves stages, checked when asked", () =>
    Effect.gen(function* () {
      const backend = yield* Backend
      const program = trainProgram(tiny)
      const tensors = heldBy([program])
      const session = yield* backend.open(tensors)
      for (const [name, values] of Object.entries(initial(tensors))) yield* session.write(name, values)
      const outputs = yield* (yield* session.prepare(program)).run(trainInputs(tiny, 1))
      assert.isAbove(outputs[lossName]![0]!, 0)
    }).pipe(Effect.provide(Engines.layer({ backend: "reference", checked: true })))
  )
})
