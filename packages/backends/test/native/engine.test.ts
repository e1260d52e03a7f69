/** What a user would notice beyond the contract: errors that can be gone on from, steady memory, choosing kernels, threads. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { sameBits } from "../../src/contract/compare.ts"
import { writeAll } from "../../src/contract/running.ts"
import {
  heldBy,
  initial,
  lossName,
  type Shape,
  tiny,
  trainInputs,
  trainProgram
} from "../../src/contract/tinyGpt.ts"
import { collectGarbage } from "../../src/garbage.ts"
import { load } from "../../src/native/addon.ts"
import { make } from "../../src/native/engine.ts"

const engine = make({ kernels: "" })
const settings = { threads: 2, precision: "f32" } as const
const here = await Effect.runPromise(engine.availability)
const program = trainProgram(tiny)
const tensors = heldBy([program])

const opened = Effect.gen(function* () {
  const session = yield* engine.open(tensors, settings)
  yield* writeAll(session, initial(tensors))
  return { session, prepared: yield* session.prepare(program) }
})

describe.skipIf(!here.available)(
  here.available ? "native engine" : `native engine, absent here: ${here.why}`,
  () => {
    it.live("a token outside the vocabulary fails by name, and the session goes on", () =>
      Effect.gen(function* () {
        const { prepared, session } = yield* opened
        const before = yield* session.read("wte")
        const inputs = trainInputs(tiny, 1)
        const wrong = {
          ...inputs,
          tokens: Int32Array.from(inputs.tokens!, (token, i) => (i === 3 ? 70_000 : token))
        }
        const failure = yield* Effect.flip(prepared.run(wrong))
        assert.strictEqual(failure._tag, "EngineFailure")
        assert.include(failure.message, "70000")
        assert.isTrue(sameBits(before, yield* session.read("wte")))
        assert.isAbove((yield* prepared.run(inputs))[lossName]![0]!, 0)
      })
    )

    it.live("the precision of `auto` is bf16 exactly where it multiplies at least 1.3 times as fast", () =>
      Effect.gen(function* () {
        const [f32, bf16] = [
          yield* engine.peak!({ threads: 1, precision: "f32" }),
          yield* engine.peak!({ threads: 1, precision: "bf16" })
        ]
        const preferred = here.available ? here.preferred : undefined
        assert.strictEqual(preferred, bf16 / f32 >= 1.3 ? "bf16" : "f32", `${bf16} and ${f32} GFLOP/s`)
      })
    )

    it.live("a target outside the vocabulary fails by name, and the session goes on", () =>
      Effect.gen(function* () {
        const { prepared } = yield* opened
        const inputs = trainInputs(tiny, 1)
        const wrong = { ...inputs, targets: Int32Array.from(inputs.targets!, () => tiny.vocabulary) }
        const failure = yield* Effect.flip(prepared.run(wrong))
        assert.include(failure.message, "target")
        assert.isAbove((yield* prepared.run(inputs))[lossName]![0]!, 0)
      })
    )

    it.live(
      "short runs one after the other leave the event loop its turns, and fail by name like others",
      () =>
        Effect.gen(function* () {
          const { prepared } = yield* opened
          const inputs = trainInputs(tiny, 1)
          let turns = 0
          const interval = setInterval(() => turns++, 1)
          yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(interval)))
          while (turns < 3) yield* prepared.run(inputs)
          const wrong = { ...inputs, targets: Int32Array.from(inputs.targets!, () => tiny.vocabulary) }
          for (let again = 0; again < 3; again++) {
            assert.include((yield* Effect.flip(prepared.run(wrong))).message, "target")
            assert.isAbove((yield* prepared.run(inputs))[lossName]![0]!, 0)
          }
        })
    )

    it.live("an interrupted run ends within a step, and the session goes on", () =>
      Effect.gen(function* () {
        const large: Shape = {
          ...tiny,
          batch: 16,
          time: 64,
          vocabulary: 4000,
          width: 128,
          heads: 4,
          layers: 2
        }
        const program = trainProgram(large)
        const held = heldBy([program])
        const session = yield* engine.open(held, settings)
        yield* writeAll(session, initial(held))
        const prepared = yield* session.prepare(program)
        const running = yield* Effect.forkChild(prepared.run(trainInputs(large, 1)))
        yield* Effect.sleep("2 millis")
        yield* Fiber.interrupt(running)
        assert.isAbove((yield* prepared.run(trainInputs(large, 1)))[lossName]![0]!, 0)
      })
    )

    it.live("many more threads than cores finish, with the same bits each time", () =>
      Effect.gen(function* () {
        const once = Effect.gen(function* () {
          const session = yield* engine.open(tensors, { ...settings, threads: 24 })
          yield* writeAll(session, initial(tensors))
          const prepared = yield* session.prepare(program)
          yield* prepared.run(trainInputs(tiny, 1))
          return yield* session.read("wte")
        }).pipe(Effect.scoped)
        assert.isTrue(sameBits(yield* once, yield* once))
      })
    )

    it.live("memory stays flat over steps, sessions and failures", () =>
      Effect.gen(function* () {
        const round = Effect.gen(function* () {
          const { prepared } = yield* opened
          for (let step = 1; step <= 20; step++) yield* prepared.run(trainInputs(tiny, step))
          yield* Effect.flip(prepared.run({ ...trainInputs(tiny, 1), offset: Int32Array.of(1000) }))
        }).pipe(Effect.scoped)
        for (let i = 0; i < 10; i++) yield* round
        collectGarbage()
        const before = process.memoryUsage.rss()
        for (let i = 0; i < 20; i++) yield* round
        collectGarbage()
        // A leak of one session's tensors and arena a round would be several times this.
        const grown = process.memoryUsage.rss() - before
        const limit = process.env.TRAINYARD_NATIVE_DEBUG === "1" ? 400e6 : 60e6
        assert.isBelow(grown, limit)
      })
    )

    it.live("a closed scope leaves nothing held", () =>
      Effect.gen(function* () {
        const loaded = load()
        assert.isTrue(loaded.loaded)
        if (!loaded.loaded) return
        const { addon } = loaded
        const path = addon.paths().find((path) => path.name === "portable")!
        const session = addon.open({ path: path.index, bf16: false, threads: 1, sizes: [1000] })
        assert.isAtLeast(addon.bytes(session), 4000)
        addon.close(session)
        assert.throws(() => addon.bytes(session), /closed/)
        yield* Effect.void
      })
    )

    it.effect("kernels that are absent or unknown are named, with what there is instead", () =>
      Effect.gen(function* () {
        const unknown = yield* make({ kernels: "sse9" }).availability
        assert.isFalse(unknown.available)
        if (!unknown.available) {
          assert.include(unknown.why, "sse9")
          assert.include(unknown.hint, "portable")
        }
        const failure = yield* Effect.flip(make({ kernels: "sse9" }).open(tensors, settings))
        assert.strictEqual(failure._tag, "EngineUnavailable")
      })
    )

    it.live("a profile names the operations and a peak is a number of GFLOP/s", () =>
      Effect.gen(function* () {
        const { prepared } = yield* opened
        const times = yield* prepared.profile!(trainInputs(tiny, 1))
        assert.include(
          times.map((time) => time.operation),
          "adamW"
        )
        assert.isAbove(yield* engine.peak!(settings), 0)
      })
    )
  }
)
