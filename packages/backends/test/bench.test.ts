import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { EngineFailure } from "../src/Backend.ts"
import * as Bench from "../src/bench/Bench.ts"
import { referenceShape, trainProgram } from "../src/bench/gpt.ts"
import { operationCount } from "../src/bench/operationCount.ts"
import { wasmPeak } from "../src/bench/peak.ts"
import { tiny } from "../src/contract/tinyGpt.ts"

describe("bench", () => {
  it.live("measures what it is asked for, a line each", () =>
    Effect.gen(function* () {
      const begun: Array<string> = []
      const starting = ({ engine, what }: Bench.Planned) =>
        Effect.sync(() => void begun.push(`${engine} ${what}`))
      const options = { engines: ["reference"], threads: [1], shape: tiny, seconds: 0, starting } as const
      const plan = yield* Bench.plan(options)
      const lines = yield* Stream.runCollect(Bench.run(plan, options))
      assert.deepStrictEqual(
        plan.measurements.map(({ engine, what }) => `${engine} ${what}`),
        [...new Set(begun)]
      )
      assert.deepStrictEqual(
        [...new Set(begun)],
        ["reference train-step", "reference matmul", "reference generate"]
      )
      assert.deepStrictEqual(
        lines.map((line) => ("what" in line ? line.what : line.unavailable)),
        ["train-step", "matmul", "generate"]
      )
      for (const line of lines) {
        if (!("gflops" in line)) return assert.fail("a line without a figure")
        assert.isAbove(line.minimumMilliseconds, 0)
        assert.isAtLeast(line.stepMilliseconds, line.minimumMilliseconds)
        assert.isAtMost(line.lowMilliseconds, line.stepMilliseconds)
        assert.isAtLeast(line.highMilliseconds, line.stepMilliseconds)
        assert.isAtLeast(line.runs, 1)
        assert.isAbove(line.gflops, 0)
        assert.strictEqual(line.tokensPerSecond === null, line.what === "matmul")
      }
    })
  )

  it.live("measures rivals by turns", () =>
    Effect.gen(function* () {
      const turns: Array<string> = []
      const starting = ({ engine }: Bench.Planned) => Effect.sync(() => void turns.push(engine))
      const options = {
        engines: ["cpu", "reference"],
        precisions: ["f32"],
        threads: [1],
        what: ["generate"],
        shape: tiny,
        seconds: 0.3,
        starting
      } as const
      const lines = yield* Stream.runCollect(Bench.run(yield* Bench.plan(options), options))
      assert.deepStrictEqual(
        lines.map(({ engine }) => engine),
        ["cpu", "reference"]
      )
      assert.deepStrictEqual(turns.slice(2, 8), ["cpu", "reference", "cpu", "reference", "cpu", "reference"])
    })
  )

  it.live("another framework takes turns with the engines, and says so when it ends early", () =>
    Effect.gen(function* () {
      const turns: Array<string> = []
      const starting = ({ engine }: Bench.Planned) => Effect.sync(() => void turns.push(engine))
      const planned = { precision: "f32", threads: 1, what: "generate" } as const
      const options = {
        engines: ["cpu"],
        precisions: ["f32"],
        threads: [1],
        what: ["generate"],
        shape: tiny,
        seconds: 0.3,
        starting,
        rivals: [
          {
            planned: { ...planned, engine: "other" },
            open: Effect.succeed({ version: "7", turn: () => Effect.succeed([20, 30, 40]) })
          },
          {
            planned: { ...planned, engine: "broken" },
            open: Effect.fail(
              new EngineFailure({ engine: "broken", why: "it ended early", transient: false })
            )
          }
        ]
      } as const
      const lines = yield* Stream.runCollect(Bench.run(yield* Bench.plan(options), options))
      assert.deepStrictEqual(turns.slice(0, 7), ["cpu", "other", "broken", "cpu", "other", "cpu", "other"])
      const [, other, broken] = lines
      assert.include(other, { engine: "other", version: "7", minimumMilliseconds: 20, stepMilliseconds: 30 })
      assert.deepStrictEqual(broken, {
        engine: "broken",
        unavailable: "The broken engine failed: it ended early"
      })
    })
  )

  it.live("says why an engine is not measured", () =>
    Effect.gen(function* () {
      const plan = yield* Bench.plan({ engines: ["reference"], precisions: ["bf16"] })
      const lines = yield* Stream.runCollect(Bench.run(plan))
      assert.deepStrictEqual(
        [...lines],
        [{ engine: "reference", unavailable: "it offers precision f32 only" }]
      )
    })
  )

  it.live("says where a training step's time goes, in parts that add up to the step", () =>
    Effect.gen(function* () {
      const options = {
        engines: ["cpu"],
        precisions: ["f32"],
        threads: [1],
        what: ["train-step", "matmul"],
        shape: { ...tiny, width: 33, time: 32 },
        seconds: 0
      } as const
      const lines = yield* Stream.runCollect(Bench.run(yield* Bench.plan(options), options))
      const [step, ...rest] = lines
      if (step === undefined || !("stepMilliseconds" in step)) return assert.fail("no training step")
      const times = rest.filter((line) => "operation" in line)
      assert.strictEqual(times.length, rest.length - 1)
      const sum = (of: (time: Bench.OperationTime) => number) =>
        times.reduce((total, time) => total + of(time), 0)
      assert.closeTo(
        sum(({ share }) => share),
        1,
        1e-9
      )
      assert.closeTo(
        sum(({ milliseconds }) => milliseconds),
        step.stepMilliseconds,
        1e-6
      )
      assert.includeMembers(
        times.map(({ operation }) => operation),
        ["linear", "attentionBackward", "adamW"]
      )
      assert.deepStrictEqual(
        times.map(({ share }) => share),
        times.map(({ share }) => share).sort((a, b) => b - a)
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
