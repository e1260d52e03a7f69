/** What a session takes it gives back: places in its memory, and the memory with its threads. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Prepared } from "../../src/Backend.ts"
import { heldBy, initial, tiny, trainInputs, trainProgram } from "../../src/contract/tinyGpt.ts"
import { engine } from "../../src/cpu/engine.ts"
import { Heap } from "../../src/cpu/Heap.ts"
import { collectGarbage } from "../../src/garbage.ts"
import * as Builder from "../../src/program/Builder.ts"

/** Resident bytes once what is no longer referred to is gone: a WebAssembly memory goes back when the collector finds it unused. */
const resident = Effect.gen(function* () {
  for (let i = 0; i < 5; i++) {
    collectGarbage()
    yield* Effect.sleep(20)
  }
  return process.memoryUsage().rss
})

describe("Heap", () => {
  it("uses again what was freed, zeroed, and grows only when it must", () => {
    const heap = new Heap()
    const [a, b, c] = [heap.allocate(1000), heap.allocate(2000), heap.allocate(100_000)]
    heap.floats(a, 250).fill(1)
    const grown = heap.memory.buffer.byteLength
    heap.free(a)
    heap.free(b)
    const again = heap.allocate(2900)
    assert.strictEqual(again, a)
    assert.isTrue(heap.floats(again, 725).every((value) => value === 0))
    heap.free(c)
    assert.isAtLeast(heap.allocate(50_000), a)
    assert.strictEqual(heap.memory.buffer.byteLength, grown)
  })

  it("says how much was wanted when there is no more", () => {
    const heap = new Heap()
    assert.throws(() => heap.allocate(5e9), /5000 MB more than 1 MB/)
  })
})

describe("sessions", () => {
  const program = trainProgram(tiny)
  const tensors = heldBy([program])

  it.live("programs prepared and closed again leave the memory as it was", () =>
    Effect.gen(function* () {
      const session = yield* engine.open(tensors, { threads: 2, precision: "f32" })
      for (const [name, values] of Object.entries(initial(tensors))) yield* session.write(name, values)
      const once = Effect.scoped(
        Effect.flatMap(session.prepare(program), (prepared) => prepared.run(trainInputs(tiny, 1)))
      )
      yield* once
      const size = session.pool.heap.memory.buffer.byteLength
      for (let i = 0; i < 20; i++) yield* once
      assert.strictEqual(session.pool.heap.memory.buffer.byteLength, size)
    }).pipe(Effect.scoped)
  )

  it.live("a program that there is no memory for costs none, and leaves the others whole", () =>
    Effect.gen(function* () {
      const session = yield* engine.open(tensors, { threads: 4, precision: "f32" })
      const { heap } = session.pool
      const loss = Effect.fnUntraced(function* (prepared: Prepared) {
        for (const [name, values] of Object.entries(initial(tensors))) yield* session.write(name, values)
        return (yield* prepared.run(trainInputs(tiny, 1)))["loss.loss"]
      })
      const first = yield* session.prepare(program)
      const expected = yield* loss(first)
      // Its tensors fit; what four workers need for their strips of so long a sequence does not.
      const builder = Builder.make("endless")
      const endless = builder.build([
        builder.attention(builder.input("qkv", [1, 3_000_000, 3]), { heads: 1 })
      ])
      const error = yield* Effect.flip(session.prepare(endless))
      assert.match(error.message, /a smaller batch, sequence or model needs less/)
      const size = heap.memory.buffer.byteLength
      yield* Effect.flip(session.prepare(endless))
      assert.strictEqual(heap.memory.buffer.byteLength, size)
      // Nobody writes where the memory is free.
      const free = Array.from({ length: 2000 }, () => heap.integers(heap.allocate(64), 16).fill(1))
      assert.deepStrictEqual(yield* loss(first), expected)
      assert.isTrue(free.every((words) => words.every((word) => word === 1)))
    }).pipe(Effect.scoped)
  )

  it.live("close ends the threads, and memory does not pile up", () =>
    Effect.gen(function* () {
      const held = [{ name: "big", shape: [8_000_000], type: "f32", role: "state" }] as const
      const use = Effect.gen(function* () {
        const session = yield* engine.open(held, { threads: 2, precision: "f32" })
        yield* session.write("big", new Float32Array(8_000_000).fill(1))
        return session.pool
      })
      const pool = yield* Effect.scoped(use)
      assert.strictEqual(pool.alive, 0)
      yield* Effect.repeat(Effect.scoped(use), { times: 2 })
      const before = yield* resident
      yield* Effect.repeat(Effect.scoped(use), { times: 10 })
      // Eleven sessions of 32 MB: without giving back, 350 MB more.
      assert.isBelow((yield* resident) - before, 200e6)
    })
  )
})
