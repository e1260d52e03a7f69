/** Gradients of primitives through views of every kind against finite differences, in float64. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { uniform } from "../../src/contract/random.ts"
import { type Builder, make } from "../../src/program/Builder.ts"
import { differentiate } from "../../src/program/differentiate.ts"
import type { Expander } from "../../src/program/Expander.ts"
import { type Program, sizeOf } from "../../src/program/Program.ts"
import type { StridedArray } from "../../src/program/StridedArray.ts"
import { verify } from "../../src/program/verify.ts"
import { interpret, type Memory } from "../../src/reference/interpret.ts"

const run = Effect.fnUntraced(function* (program: Program, values: Memory) {
  const memory: Memory = new Map(values)
  for (const { name, role, shape } of Object.values(program.tensors))
    if (role === "activation") memory.set(name, new Float64Array(sizeOf(shape)))
  yield* interpret("reference", program, memory)
  return memory
})

/** Writes a result of parameters a [3, 4] and b [4]; its weighted sum is the loss. */
const agrees = (
  what: string,
  write: (e: Expander, a: StridedArray, b: StridedArray, builder: Builder) => StridedArray
) =>
  it.effect(what, () =>
    Effect.gen(function* () {
      const builder = make("views")
      const [a, b] = [builder.parameter("a", [3, 4]), builder.parameter("b", [4])]
      const e = builder.expander("t")
      const y = write(e, e.array(a.name), e.array(b.name), builder)
      const total = e.sum("y * cos(i0)", { y: e.reshape(y, [sizeOf(y.shape)]) }, [0])
      const forward = builder.build([builder.tensor(total.tensor)])
      const { gradients, program } = differentiate(forward, total.tensor)
      assert.isUndefined(verify(program))
      const next = uniform(9)
      const values: Memory = new Map()
      for (const { name, role, shape, type } of Object.values(program.tensors))
        if (role !== "activation")
          values.set(
            name,
            type === "i32"
              ? Int32Array.of(2, 0, -1, 2)
              : Float64Array.from({ length: sizeOf(shape) }, () =>
                  name === "lossGradient" ? 1 : next() * 2 - 1
                )
          )
      const analytic = yield* run(program, values)
      for (const [parameter, gradient] of Object.entries(gradients)) {
        const original = values.get(parameter)!
        for (let i = 0; i < original.length; i++) {
          const at = Effect.fnUntraced(function* (change: number) {
            const moved = original.slice()
            moved[i]! += change
            return (yield* run(forward, new Map(values).set(parameter, moved))).get(total.tensor)![0]!
          })
          const slope = ((yield* at(1e-4)) - (yield* at(-1e-4))) / 2e-4
          assert.closeTo(analytic.get(gradient)![i]!, slope, 1e-6, `${parameter}[${i}]`)
        }
      }
    })
  )

describe("derive", () => {
  agrees("a slice", (e, a) => e.map("x * x", { x: e.slice(a, 1, 1, 3) }))
  agrees("overlapping slices, added up", (e, a) =>
    e.map("x * y", { x: e.slice(a, 1, 0, 3), y: e.slice(a, 1, 1, 4) })
  )
  agrees("a transpose", (e, a, b) =>
    e.map("x * exp(y)", { x: e.transpose(a, [1, 0]), y: e.reshape(b, [4, 1]) })
  )
  agrees("padding, with coordinates", (e, a) => e.map("sin(x) * (i1 + 1)", { x: e.pad(a, 1, 2, 1) }))
  agrees("broadcasting", (e, a, b) => e.map("x / (2 + y)", { x: a, y: b }))
  agrees("a broadcast that is padded", (e, a, b) =>
    e.map("x * y", { x: a, y: e.pad(e.reshape(e.slice(b, 0, 1, 2), [1, 1]), 0, 1, 1) })
  )
  agrees("a sum over the first axis", (e, a, b) => e.sum("x * y * i0", { x: a, y: b }, [0]))
  agrees("a largest value of a formula", (e, a, b) => e.max("x * y", { x: a, y: b }, [1]))
  agrees("a product with itself", (e, a) => e.product(a, a))
  agrees("a batched product with a shared side", (e, a, b) =>
    e.product(e.reshape(a, [3, 2, 2]), e.reshape(b, [2, 2]))
  )
  agrees("gather", (e, a, _, builder) => e.gather(a, e.array(builder.input("index", [4], "i32").name)))
  agrees("scatterAdd", (e, a, _, builder) => {
    const index = e.array(builder.input("index", [4], "i32").name)
    return e.scatterAdd(e.map("x * x", { x: e.transpose(a, [1, 0]) }), index, 3)
  })
  agrees("parts of a tensor, written one after the other", (e, a, b) => {
    const y = e.fill(0, [4, 4])
    e.write(e.slice(y, 0, 0, 3), "x * x", { x: a }, true)
    e.write(e.slice(y, 0, 2, 4), "exp(x)", { x: b }, true)
    return e.map("y * y", { y })
  })
  agrees("every function", (e, a, b) =>
    e.map(
      "max(x, y) + min(x, 0.1) * pow(abs(x) + 1, y) - log(2 + x) / sqrt(2 + y) + tanh(x) * sigmoid(y) + cos(-x) + where(less(x, y), x * x, y) + floor(x) + equal(x, y)",
      { x: a, y: b }
    )
  )

  it("refuses a step that works in place", () => {
    const builder = make("in-place")
    const a = builder.parameter("a", [1])
    const e = builder.expander("t")
    const y = e.map("2 * x", { x: e.array(a.name) })
    e.write(y, "y * y", { y })
    assert.throws(() => differentiate(builder.build([builder.tensor(y.tensor)]), y.tensor), /works in place/)
  })
})
