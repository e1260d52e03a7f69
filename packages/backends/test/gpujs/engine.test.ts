import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { trainProgram as referenceProgram, referenceShape } from "../../src/bench/gpt.ts"
import { checked } from "../../src/checked/checked.ts"
import { difference } from "../../src/contract/compare.ts"
import { writeAll } from "../../src/contract/running.ts"
import { heldBy, initial, lossName, tiny, trainInputs, trainProgram } from "../../src/contract/tinyGpt.ts"
import { make } from "../../src/gpujs/engine.ts"
import { lower } from "../../src/gpujs/Lowering.ts"
import { lowerings } from "../../src/gpujs/lowerings.ts"
import { make as program } from "../../src/program/Builder.ts"
import { engine as reference } from "../../src/reference/engine.ts"

const small = { ...tiny, layers: 1 }
const train = trainProgram(small)
const settings = { threads: 1, precision: "f32" } as const

const losses = Effect.fnUntraced(function* (
  engine: ReturnType<typeof make>,
  steps: number,
  shape = small,
  program = train
) {
  const tensors = heldBy([program])
  const session = yield* engine.open(tensors, settings)
  yield* writeAll(session, initial(tensors))
  const prepared = yield* session.prepare(program)
  const curve: Array<number> = []
  for (let step = 1; step <= steps; step++)
    curve.push((yield* prepared.run(trainInputs(shape, step)))[lossName]![0]!)
  return Float32Array.from(curve)
}, Effect.scoped)

describe("gpujs", () => {
  it.live("trains in plain JavaScript where there is nothing better", () =>
    Effect.gen(function* () {
      const mine = yield* losses(make({ mode: "cpu" }), 2)
      assert.isUndefined(difference("loss", mine, yield* losses(reference, 2), 1e-4))
    })
  )

  it.live("trains the same with four rows a thread as with one", () =>
    Effect.gen(function* () {
      const shape = { ...small, batch: 2, time: 8 }
      const program = trainProgram(shape)
      const { launches } = lower(program, lowerings, { flat: true, four: "rows" })
      // Products and attention, forward and backward.
      assert.isAtLeast(launches.filter((launch) => launch.four).length, 15)
      const expected = yield* losses(reference, 3, shape, program)
      for (const plain of [false, true]) {
        const mine = yield* losses(make({ mode: "webasm", plain }), 3, shape, program)
        assert.isUndefined(difference("loss", mine, expected, 1e-4))
      }
    })
  )

  it("makes one launch of a product with its bias, GELU and sum, in each way of computing", () => {
    const b = program("chain")
    const x = b.input("x", [8, 16])
    const y = b.linear(x, { weight: b.input("weight", [16, 16]), bias: b.input("bias", [16]) })
    const chain = b.build([b.add(b.gelu(y), x)])
    for (const four of ["columns", "no"] as const)
      assert.strictEqual(lower(chain, lowerings, { flat: four === "columns", four }).launches.length, 1)
    // One launch multiplies in fours of rows, another puts the rows in order.
    assert.strictEqual(lower(chain, lowerings, { flat: true, four: "rows" }).launches.length, 2)
  })

  it.live("computes such a chain as reference does, and keeps what others read", () =>
    Effect.gen(function* () {
      const b = program("chain")
      const x = b.input("x", [8, 16])
      const y = b.linear(x, { weight: b.input("weight", [16, 16]), bias: b.input("bias", [16]) })
      const kept = b.gelu(y)
      const chain = b.build([b.add(kept, x), kept])
      const values = (length: number) => Float32Array.from({ length }, (_, i) => ((i * 31) % 101) / 101 - 0.5)
      const inputs = { x: values(128), weight: values(256), bias: values(16) }
      const run = Effect.fnUntraced(function* (engine: ReturnType<typeof make>) {
        return yield* (yield* (yield* engine.open([], settings)).prepare(chain)).run(inputs)
      }, Effect.scoped)
      const expected = yield* run(reference)
      for (const mode of ["webasm", "cpu"] as const)
        for (const [name, mine] of Object.entries(yield* run(make({ mode }))))
          assert.isUndefined(difference(name, mine, expected[name]!, 1e-4))
    })
  )

  it("launches 217 kernels for the reference model's training step", () => {
    const { launches } = lower(referenceProgram(referenceShape), lowerings, { flat: true, four: "columns" })
    assert.strictEqual(launches.length, 217)
  })

  it.live("adds up products of many terms in parts", () =>
    Effect.gen(function* () {
      const terms = 4003
      const b = program("long")
      const x = b.input("x", [4, terms])
      const long = b.build([b.linear(x, { weight: b.input("weight", [5, terms]) })])
      const values = (rows: number) =>
        Float32Array.from({ length: rows * terms }, (_, i) => ((i * 31) % 101) / 101 - 0.5)
      const product = Effect.fnUntraced(function* (engine: ReturnType<typeof make>) {
        const prepared = yield* (yield* engine.open([], settings)).prepare(long)
        return Object.values(yield* prepared.run({ x: values(4), weight: values(5) }))[0]!
      }, Effect.scoped)
      const mine = yield* product(make({ mode: "webasm" }))
      assert.isUndefined(difference("product", mine, yield* product(reference), 1e-4))
    })
  )

  it.live("trains in checked mode", () =>
    Effect.gen(function* () {
      const mine = yield* losses(checked(make({ mode: "webasm" })), 1)
      assert.isUndefined(difference("loss", mine, yield* losses(reference, 1), 1e-4))
    })
  )

  it.live("refuses a program whose matrices are beyond what kernels count", () =>
    Effect.gen(function* () {
      const b = program("huge")
      const x = b.input("x", [5000, 1])
      const huge = b.build([b.linear(x, { weight: b.input("weight", [5000, 1]) })])
      const session = yield* make({ mode: "webasm" }).open([], settings)
      const error = yield* Effect.flip(session.prepare(huge))
      assert.strictEqual(error._tag, "ProgramRejected")
      assert.match(error.message, /5000 × 5000.*smaller batch/)
    })
  )

  it.live("is passed over by auto where there is no GPU", () =>
    Effect.gen(function* () {
      const here = yield* make({ mode: "webasm" }).availability
      assert.isTrue(here.available && here.slow === true)
    })
  )
})
