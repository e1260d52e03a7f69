import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
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
