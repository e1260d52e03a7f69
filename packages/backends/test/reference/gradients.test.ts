/**
 * The gradient of every operation against finite differences. The kernels run in float64 here, so that a difference of two
 * nearly equal losses still has digits to compare.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { withExamples } from "../../src/contract/exampleCases.ts"
import { picker } from "../../src/contract/Picker.ts"
import { uniform } from "../../src/contract/random.ts"
import type { Builder } from "../../src/program/Builder.ts"
import { make } from "../../src/program/Builder.ts"
import { differentiate } from "../../src/program/differentiate.ts"
import type { Operation } from "../../src/program/Operation.ts"
import { type OperationName, operations } from "../../src/program/operations.ts"
import { type Program, sizeOf, type Tensor } from "../../src/program/Program.ts"
import { verify } from "../../src/program/verify.ts"
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

/** A program, its loss, and values of some of its tensors; the others are drawn. */
interface Trial {
  readonly program: Program
  readonly loss: string
  readonly values: Memory
}

/** Compares each parameter's gradient with the loss at two points beside it, for at most twelve of its elements. */
const differences = Effect.fnUntraced(function* ({ loss, program: forward, values: own }: Trial) {
  const { gradients, program } = differentiate(forward, loss)
  assert.isUndefined(verify(program))
  const values = new Map([...given(program), ...own])
  const analytic = yield* run(program, values)
  const parameters = Object.values(program.tensors).filter((tensor) => tensor.role === "parameter")
  assert.sameMembers(
    Object.keys(gradients),
    parameters.map((tensor) => tensor.name)
  )
  for (const parameter of parameters) {
    const original = values.get(parameter.name)!
    const stride = Math.max(1, Math.floor(original.length / 12))
    for (let i = 0; i < original.length; i += own.size > 0 ? stride : 1) {
      const lossAt = Effect.fnUntraced(function* (change: number) {
        const moved = original.slice()
        moved[i]! += change
        return (yield* run(forward, new Map(values).set(parameter.name, moved))).get(loss)![0]!
      })
      const h = 1e-4
      const slope = (0.7 * ((yield* lossAt(h)) - (yield* lossAt(-h)))) / (2 * h)
      const mine = analytic.get(gradients[parameter.name]!)![i]!
      assert.closeTo(mine, slope, 1e-6 * Math.max(1, Math.abs(slope)), `${parameter.name}[${i}]`)
    }
  }
})

/** Whether an operation is one of a forward pass: no backward step, and nothing that works in place. */
const isDifferentiable = (name: OperationName): boolean => {
  const rule: Operation = operations[name]
  return (
    rule.gradient !== undefined ||
    (rule.expand !== undefined && !/Backward|Cached|^adamW|^gradientNorm/.test(name))
  )
}

/** A program of an operation's example whose float inputs are parameters, and whose loss is a weighted sum of its first result. */
const exampleProgram = (name: OperationName, seed: number): Trial => {
  const rule: Operation = operations[name]
  const small = picker(seed)
  const { attributes, inputs } = rule.example!({ ...small, side: (limit) => small.side(Math.min(limit, 5)) })
  const b = make(name)
  const next = uniform(seed)
  const values: Memory = new Map()
  for (const [input, one] of Object.entries(inputs)) {
    if ("output" in one) throw new Error(`${input} is no input`)
    const isFloat = !("below" in one || ("values" in one && one.type === "i32"))
    b.declare(input, one.shape, isFloat ? "f32" : "i32", isFloat ? "parameter" : "input")
    const draw = () => ("below" in one ? Math.floor(next() * one.below) : next() * 2 - 1)
    const numbers = "values" in one ? one.values : Array.from({ length: sizeOf(one.shape) }, draw)
    values.set(input, isFloat ? Float64Array.from(numbers) : Int32Array.from(numbers))
  }
  const named = Object.fromEntries(Object.keys(inputs).map((input) => [input, b.tensor(input)]))
  const y = b.apply(name, named, attributes)
  const e = b.expander("loss")
  const weights = e.map("sin(3 * i0 + i1)", {}, [1, ...y.shape].slice(-2))
  const loss = e.reshape(e.sum("y * weights", { y: e.array(y.name), weights }, [...y.shape.keys()]), [1])
  const total = e.copy(loss)
  return { program: b.build([b.tensor(total.tensor)]), loss: total.tensor, values }
}

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
        const program = b.build([loss])
        yield* differences({ program, loss: loss.name, values: new Map() })
      })
    )

  for (const name of withExamples.filter(isDifferentiable))
    for (const seed of [1, 2, 3])
      it.effect(`of ${name}, example ${seed}, agree with finite differences`, () =>
        differences(exampleProgram(name, seed))
      )

  it("are checked for every operation that has one", () => {
    const withGradient = (Object.keys(operations) as ReadonlyArray<OperationName>).filter(isDifferentiable)
    assert.includeMembers([...Object.keys(programs), ...withExamples], withGradient)
  })
})
