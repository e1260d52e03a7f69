import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Bench from "../src/bench/Bench.ts"
import { referenceShape, trainProgram } from "../src/bench/gpt.ts"
import { operationCount } from "../src/bench/operationCount.ts"
import { wasmPeak } from "../src/bench/peak.ts"
import { tiny } from "./contract/tinyGpt.ts"

describe("bench", () => {
  it.live("measures what it is asked for, a line each", () =>
    Effect.gen(function* () {
      const begun: Array<string> = []
      const starting = ({ engine, what }: Bench.Next) =>
        Effect.sync(() => void begun.push(`${engine} ${what}`))
      const lines = yield* Stream.runCollect(
        Bench.run({ engines: ["reference"], threads: [1], shape: tiny, seconds: 0, starting })
      )
      assert.deepStrictEqual(begun, ["reference train-step", "reference matmul", "reference generate"])
      assert.deepStrictEqual(
        lines.map((line) => ("what" in line ? line.what : line.unavailable)),
        ["train-step", "matmul", "generate"]
      )
      for (const line of lines) {
        if (!("gflops" in line)) return assert.fail("a line without a figure")
        assert.isAbove(line.stepMilliseconds, 0)
        assert.isAbove(line.gflops, 0)
        assert.strictEqual(line.tokensPerSecond === null, line.what === "matmul")
      }
    })
  )

  it.live("says why an engine is not measured", () =>
    Effect.gen(function* () {
      const lines = yield* Stream.runCollect(Bench.run({ engines: ["reference"], precisions: ["bf16"] }))
      assert.deepStrictEqual(
        [...lines],
        [{ engine: "reference", unavailable: "it offers precision f32 only" }]
      )
    })
  )

  it("counts the operations of the reference model's training step", () => {
    // Three times the forward products of 5.7 million parameters and the output layer, for 1,024 tokens, and the attention.
    const parameters = 4 * 12 * 256 ** 2 + 10_000 * 256
    const attention = 4 * 7 * 8 * 128 * 129 * 256
    assert.strictEqual(operationCount(trainProgram(referenceShape)), 6 * 1024 * parameters + attention)
  })

  it.live("knows the peak of WebAssembly here", () =>
    Effect.gen(function* () {
      assert.isAbove(yield* wasmPeak(1), 0)
    })
  )
})
