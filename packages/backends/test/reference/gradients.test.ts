/**
 * The gradient of every operation against finite differences. The kernels run in float64 here, so that a difference of two
 * nearly equal losses still has digits to compare.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { uniform } from "../../src/contract/random.ts"
import type { Builder } from "../../src/program/Builder.ts"
import { make } from "../../src/program/Builder.ts"
import { differentiate } from "../../src/program/differentiate.ts"
import { type OperationName, operations } from "../../src/program/operations.ts"
import { type Program, sizeOf, type Tensor } from "../../src/program/Program.ts"
import { interpret, type Memory } from "../../src/reference/interpret.ts"

/** Each gives a result [.., C] that depends on parameters by the operation. */
const programs: Readonly<Partial<Record<OperationName, (b: Builder) => Tensor>>> = {
  embedding: (b) =>
    b.embedding({
      tokens: b.input("tokens", [2, 3], "i32"),
      offset: b.input("offset", [1], "i32"),
      table: b.parameter("table", [4, 5]),
      positions: b.parameter("positions", [4, 5])
    }),
  layerNorm: (b) =>
    b.layerNorm(b.parameter("x", [3, 5]), {
      gain: b.parameter("gain", [5]),
      bias: b.parameter("bias", [5])
    }),
  linear: (b) =>
    b.linear(b.parameter("x", [2, 3, 5]), {
      weight: b.parameter("weight", [4, 5]),
      bias: b.parameter("bias", [4])
    }),
  attention: (b) => b.attention(b.parameter("qkv", [2, 4, 18]), { heads: 3 }),
  gelu: (b) => b.gelu(b.parameter("x", [3, 5])),
  add: (b) => b.add(b.parameter("a", [3, 5]), b.parameter("b", [3, 5])),
  dropout: (b) =>
    b.dropout(b.parameter("x", [3, 5]), { seed: b.input("seed", [1], "i32"), rate: 0.3, salt: 2 }),
  // One tensor used in several ways, so that several contributions meet in one gradient.
  projectionLoss: (b) => {
    const x = b.parameter("x", [3, 5])
    const weight = b.parameter("weight", [5, 5])
    const y = b.gelu(b.add(b.linear(x, { weight }), b.add(x, x)))
    return b.add(b.add(y, b.linear(y, { weight: b.parameter("other", [5, 5]) })), x)
  }
}

/** Random values for everything that a session or a caller would give. */
const given = (program: Program): Memory => {
  const next = uniform(11)
  return new Map(
    Object.values(program.tensors)
      .filter((tensor) => tensor.role !== "activation")
      .map(({ name, shape, type }) => [
        name,
        name === "offset"
          ? Int32Array.of(1)
          : type === "i32"
            ? Int32Array.from({ length: sizeOf(shape) }, () => Math.floor(next() * 4))
            : Float64Array.from({ length: sizeOf(shape) }, () =>
                name === "lossGradient" ? 0.7 : next() * 2 - 1
              )
      ])
  )
}

const run = Effect.fnUntraced(function* (program: Program, values: Memory) {
  const memory: Memory = new Map(values)
  for (const { name, role, shape } of Object.values(program.tensors))
    if (role === "activation") memory.set(name, new Float64Array(sizeOf(shape)))
  yield* interpret("reference", program, memory)
  return memory
})

describe("gradients", () => {
  for (const [name, write] of Object.entries(programs))
    it.effect(`of ${name} agree with finite differences`, () =>
      Effect.gen(function* () {
        const b = make(name)
        const y = write(b)
        const { loss } = b.projectionLoss(y, {
          table: b.parameter("output", [4, y.shape.at(-1)!]),
          targets: b.input("targets", y.shape.slice(0, -1), "i32")
        })
        const forward = b.build([loss])
        const { gradients, program } = differentiate(forward, loss.name)
        const values = given(program)
        const analytic = yield* run(program, values)
        const parameters = Object.values(program.tensors).filter((tensor) => tensor.role === "parameter")
        assert.sameMembers(
          Object.keys(gradients),
          parameters.map((tensor) => tensor.name)
        )
        for (const parameter of parameters) {
          const original = values.get(parameter.name)!
          for (let i = 0; i < original.length; i++) {
            const lossAt = Effect.fnUntraced(function* (change: number) {
              const moved = original.slice()
              moved[i]! += change
              return (yield* run(forward, new Map(values).set(parameter.name, moved))).get(loss.name)![0]!
            })
            const h = 1e-4
            const slope = (0.7 * ((yield* lossAt(h)) - (yield* lossAt(-h)))) / (2 * h)
            const mine = analytic.get(gradients[parameter.name]!)![i]!
            assert.closeTo(mine, slope, 1e-6, `${parameter.name}[${i}]`)
          }
        }
      })
    )

  it("are checked for every operation that has one", () => {
    const withGradient = Object.values(operations).filter((operation) => "gradient" in operation)
    assert.sameMembers(
      Object.keys(programs),
      withGradient.map((operation) => operation.name)
    )
  })
})
