/** Workers that die or hang, runs that are interrupted, values that are wrong: each has one clear end, and none is a hang. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import {
  batch,
  heldBy,
  initial,
  lossName,
  tiny,
  trainInputs,
  trainProgram
} from "../../src/contract/tinyGpt.ts"
import { make } from "../../src/cpu/engine.ts"

const program = trainProgram(tiny)
const tensors = heldBy([program])
const large = { ...tiny, batch: 8, time: 64, vocabulary: 2000, width: 96 }

const opened = Effect.fnUntraced(function* (threads: number, hangMilliseconds = 20_000, workersOnly = true) {
  const session = yield* make({ hangMilliseconds, workersOnly }).open(tensors, { threads, precision: "f32" })
  for (const [name, values] of Object.entries(initial(tensors))) yield* session.write(name, values)
  return { session, prepared: yield* session.prepare(program) }
})

describe("supervision", () => {
  for (const threads of [1, 3])
    it.live(`a worker of ${threads} that dies is named, and a new session works`, () =>
      Effect.gen(function* () {
        const { prepared, session } = yield* opened(threads)
        yield* prepared.run(trainInputs(tiny, 1))
        for (let worker = 0; worker < threads; worker++) session.pool.injectFault(worker, "dies")
        const error = yield* Effect.flip(prepared.run(trainInputs(tiny, 2)))
        assert.strictEqual(error._tag, "EngineFailure")
        assert.match(error.message, new RegExp(`worker \\d of ${threads} died`))
        assert.isTrue(error._tag === "EngineFailure" && error.transient)
        for (const effect of [
          prepared.run(trainInputs(tiny, 2)),
          session.read("wte"),
          session.write("wte", new Float32Array(tiny.vocabulary * tiny.width)),
          session.prepare(program)
        ]) {
          const later = yield* Effect.flip(
            Effect.scoped(effect as Effect.Effect<unknown, { message: string }>)
          )
          assert.strictEqual(later.message, error.message)
        }
        const again = yield* opened(threads)
        const outputs = yield* again.prepared.run(trainInputs(tiny, 1))
        assert.isTrue(Number.isFinite(outputs[lossName]![0]!))
      }).pipe(Effect.scoped)
    )

  it.live("a worker that hangs is named after its timeout, and the session closes", () =>
    Effect.gen(function* () {
      const { prepared, session } = yield* opened(2, 400)
      yield* prepared.run(trainInputs(tiny, 1))
      session.pool.injectFault(1, "hangs")
      session.pool.injectFault(0, "hangs")
      const error = yield* Effect.flip(prepared.run(trainInputs(tiny, 2)))
      assert.match(error.message, /worker .* of 2 hangs/)
      assert.isTrue(error._tag === "EngineFailure" && error.transient)
    }).pipe(Effect.scoped)
  )

  it.live("a worker that dies between two runs fails the next one", () =>
    Effect.gen(function* () {
      const { prepared, session } = yield* opened(2)
      yield* prepared.run(trainInputs(tiny, 1))
      yield* session.pool.endWorker(1)
      const error = yield* Effect.flip(prepared.run(trainInputs(tiny, 2)))
      assert.match(error.message, /worker 2 of 2 died/)
    }).pipe(Effect.scoped)
  )
})

describe("the main thread in short programs", () => {
  it.live("gives the bits that the workers give", () =>
    Effect.gen(function* () {
      const [alone, helped] = [yield* opened(2), yield* opened(2, 20_000, false)]
      for (let step = 1; step <= 20; step++) {
        const expected = yield* alone.prepared.run(trainInputs(tiny, step))
        assert.deepStrictEqual(yield* helped.prepared.run(trainInputs(tiny, step)), expected)
      }
    }).pipe(Effect.scoped)
  )

  it.live("computes alone where no worker wakes, and stops when it is interrupted", () =>
    Effect.gen(function* () {
      const { prepared, session } = yield* opened(1, 20_000, false)
      // A worker that took a task would die.
      session.pool.injectFault(0, "dies")
      const first = yield* prepared.run(trainInputs(tiny, 1))
      assert.isTrue(Number.isFinite(first[lossName]![0]!))
      const running = yield* Effect.forkChild(prepared.run(trainInputs(tiny, 2)))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(running)
      assert.isTrue(Number.isFinite((yield* prepared.run(trainInputs(tiny, 3)))[lossName]![0]!))
    }).pipe(Effect.scoped)
  )

  it.live("does not wait for a worker that hangs with a task", () =>
    Effect.gen(function* () {
      const { prepared, session } = yield* opened(2, 400, false)
      yield* prepared.run(trainInputs(tiny, 1))
      session.pool.injectFault(0, "hangs")
      session.pool.injectFault(1, "hangs")
      // Sooner or later a worker takes one.
      const runs = Effect.gen(function* () {
        for (;;) yield* prepared.run(trainInputs(tiny, 2))
      })
      const error = yield* Effect.flip(runs)
      assert.match(error.message, /worker .* of 2 hangs/)
    }).pipe(Effect.scoped)
  )
})

describe("interruption", () => {
  it.live("stops within a step of the program and leaves the session usable", () =>
    Effect.gen(function* () {
      const program = trainProgram(large)
      const tensors = heldBy([program])
      const session = yield* make({}).open(tensors, { threads: 2, precision: "f32" })
      const values = initial(tensors)
      const fill = Effect.forEach(Object.entries(values), ([name, value]) => session.write(name, value))
      const prepared = yield* session.prepare(program)
      yield* fill
      const right = yield* prepared.run(trainInputs(large, 1))
      for (const pause of [0, 1, 3]) {
        const running = yield* Effect.forkChild(prepared.run(trainInputs(large, 1)))
        yield* Effect.sleep(pause)
        yield* Fiber.interrupt(running)
      }
      for (const name of tensors.map((tensor) => tensor.name))
        if (values[name] === undefined)
          yield* session.write(name, new Float32Array((yield* session.read(name)).length))
      yield* fill
      const again = yield* prepared.run(trainInputs(large, 1))
      assert.strictEqual(again[lossName]![0], right[lossName]![0])
    }).pipe(Effect.scoped)
  )

  it.live("many runs at once take turns", () =>
    Effect.gen(function* () {
      const { prepared } = yield* opened(2)
      const runs = Array.from({ length: 4 }, (_, i) => prepared.run(trainInputs(tiny, i + 1)))
      const outputs = yield* Effect.all(runs, { concurrency: "unbounded" })
      assert.isTrue(outputs.every((output) => Number.isFinite(output[lossName]![0]!)))
    }).pipe(Effect.scoped)
  )
})

describe("values", () => {
  it.live(
    "a token outside the vocabulary stops the run before the parameters change, and the session goes on",
    () =>
      Effect.gen(function* () {
        const { prepared, session } = yield* opened(2)
        const before = yield* session.read("wte")
        const { tokens } = batch(tiny, 1)
        tokens[5] = tiny.vocabulary
        const exit = yield* Effect.exit(prepared.run({ ...trainInputs(tiny, 1), tokens }))
        assert.isTrue(Exit.isFailure(exit))
        const error = yield* Effect.flip(prepared.run({ ...trainInputs(tiny, 1), tokens }))
        assert.match(error.message, /token 29 is outside the vocabulary, which goes from 0 to 28/)
        assert.isTrue(error._tag === "EngineFailure" && !error.transient)
        assert.deepStrictEqual(yield* session.read("wte"), before)
        const outputs = yield* prepared.run(trainInputs(tiny, 1))
        assert.isTrue(Number.isFinite(outputs[lossName]![0]!))
      }).pipe(Effect.scoped)
  )

  it.live("a target outside the vocabulary is named", () =>
    Effect.gen(function* () {
      const { prepared } = yield* opened(2)
      const { targets } = batch(tiny, 1)
      targets[0] = -2
      const error = yield* Effect.flip(prepared.run({ ...trainInputs(tiny, 1), targets }))
      assert.match(error.message, /target -2 is outside the vocabulary/)
    }).pipe(Effect.scoped)
  )
})

describe("settings", () => {
  it.effect("thread counts and precisions that it has not are refused with a sentence", () =>
    Effect.gen(function* () {
      const open = (threads: number, precision: "f32" | "bf16") =>
        Effect.flip(Effect.scoped(make({}).open(tensors, { threads, precision })))
      assert.match((yield* open(0, "f32")).message, /1 to 64 threads, not 0/)
      assert.match((yield* open(65, "f32")).message, /1 to 64 threads, not 65/)
      assert.match((yield* open(2, "bf16")).message, /no bf16 arithmetic.*--precision f32/)
    })
  )

  it.effect("availability says which arithmetic and how many cores", () =>
    Effect.gen(function* () {
      const here = yield* make({}).availability
      assert.isTrue(here.available && /^WebAssembly SIMD with .*, \d+ cores?$/.test(here.detail))
    })
  )
})
