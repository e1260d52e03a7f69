import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { make } from "../../src/program/Builder.ts"
import { interpret, remember } from "../../src/reference/interpret.ts"

describe("interpret", () => {
  it.effect("stops at a read of an activation that nothing wrote", () =>
    Effect.gen(function* () {
      const b = make("holes")
      const x = b.input("x", [4])
      const program = b.build([b.gelu(b.gelu(x, "first"), "second")])
      // Without its first step the program reads memory that nobody wrote. `verify` would refuse it; here is what happens to
      // the like of it that verify cannot see, such as a kernel that forgets an element.
      const holed = { ...program, steps: program.steps.slice(1) }
      const memory = remember(holed, new Map(), { x: new Float32Array(4) })
      const error = yield* Effect.flip(interpret("reference", holed, memory))
      assert.match(error.message, /gelu.*element 0 of first\.y, which nothing wrote/)
    })
  )

  it.effect("does not mistake a computed NaN for unwritten memory", () =>
    Effect.gen(function* () {
      const b = make("nan")
      const x = b.input("x", [1])
      const program = b.build([b.gelu(b.add(x, x), "out")])
      const memory = remember(program, new Map(), { x: Float32Array.of(Number.NaN) })
      yield* interpret("reference", program, memory)
      assert.isNaN(memory.get("out.y")![0])
    })
  )
})
