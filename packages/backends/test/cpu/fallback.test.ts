/** The binary for runtimes without relaxed SIMD computes the same, and the same whatever the number of threads. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Answers from "../../src/contract/Answers.ts"
import { difference, sameBits } from "../../src/contract/compare.ts"
import { operationSuite } from "../../src/contract/operationSuite.ts"
import { heldBy, initial, lossName, tiny, trainInputs, trainProgram } from "../../src/contract/tinyGpt.ts"
import { engine, make } from "../../src/cpu/engine.ts"

const program = trainProgram(tiny)
const tensors = heldBy([program])

const curve = Effect.fnUntraced(function* (cpu: typeof engine, threads: number) {
  const session = yield* cpu.open(tensors, { threads, precision: "f32" })
  for (const [name, values] of Object.entries(initial(tensors))) yield* session.write(name, values)
  const prepared = yield* session.prepare(program)
  const losses: Array<number> = []
  for (let step = 1; step <= 10; step++)
    losses.push((yield* prepared.run(trainInputs(tiny, step)))[lossName]![0]!)
  return Float32Array.from(losses)
}, Effect.scoped)

describe("the two binaries", () => {
  it.live("train alike", () =>
    Effect.gen(function* () {
      const relaxed = yield* curve(engine, 2)
      const plain = yield* curve(make({ binary: "simd" }), 2)
      assert.isUndefined(difference("loss", plain, relaxed, 1e-3))
    })
  )

  it.live("any number of threads gives the same bits", () =>
    Effect.gen(function* () {
      const one = yield* curve(engine, 1)
      for (const threads of [2, 3, 8]) assert.isTrue(sameBits(yield* curve(engine, threads), one))
    })
  )
})

describe("the binary without relaxed SIMD", () =>
  operationSuite({
    engine: make({ binary: "simd" }),
    settings: { threads: 2, precision: "f32" },
    threads: [2],
    alike: [2],
    tolerance: 3e-5,
    exactTolerance: 3e-5,
    cases: 4,
    answers: Answers.make(),
    describe: (name, body) => void describe(name, body),
    it: { live: (name, body) => void it.live(name, body) }
  }))
