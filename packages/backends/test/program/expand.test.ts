import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { exampleCase, withExamples } from "../../src/contract/exampleCases.ts"
import { tiny, trainProgram } from "../../src/contract/tinyGpt.ts"
import { make } from "../../src/program/Builder.ts"
import { expandedFor, expandFor } from "../../src/program/expand.ts"
import { operations } from "../../src/program/operations.ts"
import { isPrimitive } from "../../src/program/primitives.ts"
import { verify } from "../../src/program/verify.ts"

const none = new Set<string>()

describe("expandFor", () => {
  it("leaves a program alone whose operations are all fused", () => {
    const program = trainProgram(tiny)
    assert.strictEqual(expandFor(program, new Set(Object.keys(operations))), program)
  })

  for (const name of withExamples)
    it(`makes valid primitives of ${name}, whichever results are taken`, () => {
      for (let seed = 0; seed < 20; seed++) {
        const { program } = exampleCase(name, seed)
        const expanded = expandFor(program, none)
        assert.isUndefined(verify(expanded), JSON.stringify(program.steps))
        assert.isTrue(expanded.steps.every((step) => isPrimitive(step.operation)))
        assert.deepStrictEqual(expanded.outputs, program.outputs)
      }
    })

  it("names activations after where they are, and computes no result that nobody reads", () => {
    const b = make("names")
    const block = b.within("h.0")
    const y = block.apply(
      "rmsNorm",
      { x: b.input("x", [2, 4]), gain: b.input("gain", [4]) },
      { epsilon: 1e-6 },
      "ln_1"
    )
    const z = block.apply(
      "groupedAttention",
      { query: b.input("q", [1, 3, 4]), key: b.input("k", [1, 3, 2]), value: b.input("v", [1, 3, 2]) },
      { heads: 2, groups: 1 },
      "attention"
    )
    const expanded = expandFor(b.build([y, z]), none)
    assert.isDefined(expanded.tensors["h.0.ln_1.expanded.1"])
    assert.isUndefined(expanded.tensors["h.0.attention.logSumExp"])
    assert.deepStrictEqual(
      expanded.steps.filter((step) => step.outputs[0]!.startsWith("h.0.ln_1")).map((step) => step.operation),
      ["reduce", "map", "map"]
    )
  })

  it.effect(
    "is a rejection where an operation neither has a kernel nor expands, or the engine lacks a primitive",
    () =>
      Effect.gen(function* () {
        const b = make("unknown")
        const program = b.build([
          b.dropout(b.input("x", [2]), { seed: b.input("seed", [1], "i32"), rate: 0.1, salt: 1 })
        ])
        const error = yield* Effect.flip(expandedFor("reference", program, none))
        assert.match(error.message, /dropout does not expand into primitives/)
        const c = make("lacking")
        const capped = c.build([c.apply("softCap", { x: c.input("x", [2]) }, { limit: 15 })])
        assert.match(
          (yield* Effect.flip(expandedFor("cpu", capped, none, none))).message,
          /no kernel for the primitive map/
        )
      })
  )
})
