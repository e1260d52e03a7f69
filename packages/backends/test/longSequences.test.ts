/** Long sequences: attention and its gradient need memory in proportion to the tokens, on one thread and on several. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { tiny, trainProgram } from "../src/contract/tinyGpt.ts"
import { engine as cpu } from "../src/cpu/engine.ts"
import { load } from "../src/native/addon.ts"
import { describe as described } from "../src/native/describe.ts"
import { fuse } from "../src/native/fuse.ts"
import { make } from "../src/program/Builder.ts"
import { type Program, sessionTensors, sizeOf } from "../src/program/Program.ts"
import { plan } from "../src/program/plan.ts"

const heads = 2
const width = 32

/** Attention over one sequence, and its gradient. */
const programOf = (time: number): Program => {
  const b = make("attention")
  const qkv = b.input("qkv", [1, time, 3 * width])
  const dy = b.input("dy", [1, time, width])
  const [y, logSumExp] = b.step("attention", [qkv], { heads })
  const [dqkv] = b.step("attentionBackward", [dy, qkv, y!, logSumExp!], { heads })
  return b.build([dqkv!])
}

/** A whole training step on one such sequence: what is kept of every layer, and the loss in chunks. */
const stepOf = (time: number): Program =>
  trainProgram({ ...tiny, batch: 1, time, width, heads, layers: 1, vocabulary: 64 })

/** Four times the tokens take at most so many times the memory; sixteen times where a matrix of scores is kept. */
const most = 5

describe("a sequence of 4,096 tokens", () => {
  it.live("takes four times the memory of 1,024 on cpu, and its gradient is a number", () =>
    Effect.gen(function* () {
      const used = Effect.fnUntraced(function* (time: number) {
        const session = yield* cpu.open([], { threads: 2, precision: "f32" })
        const prepared = yield* session.prepare(programOf(time))
        const bytes = session.pool.heap.memory.buffer.byteLength
        const values = (length: number) =>
          Float32Array.from({ length }, (_, i) => ((i * 31) % 101) / 101 - 0.5)
        const outputs = yield* prepared.run({ qkv: values(time * 3 * width), dy: values(time * width) })
        assert.strictEqual(session.pool.heap.memory.buffer.byteLength, bytes)
        assert.isTrue(Object.values(outputs)[0]!.every(Number.isFinite))
        return bytes
      }, Effect.scoped)
      assert.isBelow((yield* used(4096)) / (yield* used(1024)), most)
    })
  )

  const loaded = load()
  it.skipIf(!loaded.loaded)("takes four times the memory of 1,024 on native, on every path", () => {
    if (!loaded.loaded) return
    const { addon } = loaded
    for (const [path, { name }] of addon.paths().entries())
      for (const bf16 of [false, true]) {
        if (!addon.paths()[path]!.supported) continue
        const used = (program: Program) => {
          const held = sessionTensors(program)
          const sizes = held.map(({ shape }) => sizeOf(shape))
          const session = addon.open({ path, bf16, threads: 2, sizes })
          const numbers = new Map(held.map((tensor, index) => [tensor.name, index]))
          const fused = fuse(program)
          addon.prepare(session, described(fused, plan(fused), numbers).described)
          const bytes = addon.bytes(session)
          addon.close(session)
          return bytes
        }
        for (const programAt of [programOf, stepOf])
          assert.isBelow(
            used(programAt(4096)) / used(programAt(1024)),
            most,
            `${name}${bf16 ? " in bf16" : ""}`
          )
      }
  })
})
