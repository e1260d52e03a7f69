/** Parameters that are updated together with their moments, in every mode; WebGPU is skipped visibly where there is no adapter. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Engine } from "../../src/Backend.ts"
import { difference } from "../../src/contract/compare.ts"
import { make } from "../../src/gpujs/engine.ts"
import { lower } from "../../src/gpujs/Lowering.ts"
import { lowerings } from "../../src/gpujs/lowerings.ts"
import { stacksOf } from "../../src/gpujs/stacks.ts"
import { make as program } from "../../src/program/Builder.ts"
import { sessionTensors, sizeOf } from "../../src/program/Program.ts"
import { engine as reference } from "../../src/reference/engine.ts"

const settings = { threads: 1, precision: "f32" } as const
const names = (of: string) => [of, `${of}.m`, `${of}.v`]

/** Updates parameters of these shapes by gradients that are inputs. */
const update = (shapes: Readonly<Record<string, ReadonlyArray<number>>>) => {
  const b = program("update")
  const gradients = Object.entries(shapes).map(([name, shape]) => b.input(`${name}.gradient`, shape))
  const [step, learningRate] = [b.input("step", [1], "i32"), b.input("rate", [1])]
  const { norm, scale } = b.gradientNorm(gradients, { maximum: 1 })
  for (const [index, [name, shape]] of Object.entries(shapes).entries()) {
    const parameter = b.parameter(name, shape)
    const [firstMoment, secondMoment] = [b.state(`${name}.m`, shape), b.state(`${name}.v`, shape)]
    b.adamW(
      { parameter, gradient: gradients[index]!, firstMoment, secondMoment, scale, learningRate, step },
      { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 }
    )
  }
  return b.build([norm])
}

const values = (length: number, by: number) =>
  Float32Array.from({ length }, (_, i) => ((i * by) % 101) / 101 - 0.5)

/** What three steps leave behind, of which another program reads a parameter, and a moment is written between two of them. */
const trained = Effect.fnUntraced(function* (engine: Engine) {
  const shapes = { table: [6, 4], gain: [4], bias: [4] }
  const train = update(shapes)
  const b = program("look")
  const table = b.parameter("table", shapes.table)
  const twice = b.add(table, table)
  const look = b.build([twice, table])
  const session = yield* engine.open(sessionTensors(train), settings)
  for (const [name, shape] of Object.entries(shapes)) yield* session.write(name, values(sizeOf(shape), 31))
  const [steps, reads] = [yield* session.prepare(train), yield* session.prepare(look)]
  const seen: Array<Float32Array> = []
  for (const step of [1, 2, 3]) {
    const gradients = Object.entries(shapes).map(
      ([name, shape]) => [`${name}.gradient`, values(sizeOf(shape), 7 + step)] as const
    )
    const inputs = { ...Object.fromEntries(gradients), rate: Float32Array.of(0.1), step: Int32Array.of(step) }
    seen.push(...Object.values(yield* steps.run(inputs)))
    const looked = yield* reads.run({})
    seen.push(looked[twice.name]!, looked.table!)
    if (step === 2) yield* session.write("gain.m", values(4, 3))
  }
  for (const name of Object.keys(shapes).flatMap(names)) seen.push(yield* session.read(name))
  return seen
}, Effect.scoped)

const modes = await Promise.all(
  (["webasm", "cpu", "webgpu"] as const).map(async (mode) => {
    const engine = make({ mode })
    return { mode, engine, here: await Effect.runPromise(engine.availability) }
  })
)

describe("a parameter and its moments", () => {
  const gpu = { flat: true, four: "columns" } as const

  it("are one matrix on a GPU, where kernels can count its elements", () => {
    const program = update({ small: [2, 3], large: [2 ** 12, 2 ** 11], tall: [200_000, 4] })
    assert.deepStrictEqual(stacksOf(program, gpu), [names("small")])
    const { given, launches } = lower(program, lowerings, gpu)
    assert.deepStrictEqual(given.find(({ names }) => names.includes("small"))?.value.rows, 6)
    // Those of the others are apart, with a launch for the second moment.
    const updates = launches.filter(({ source }) => source.includes("0.95"))
    assert.strictEqual(updates.length, 1 + 1 + 1)
  })

  it("are one matrix in WebAssembly where they are small", () => {
    const program = update({ gain: [256], weight: [256, 256] })
    assert.deepStrictEqual(stacksOf(program, { flat: true, four: "rows" }), [names("gain")])
  })

  for (const { engine, here, mode } of modes)
    it.live.skipIf(!here.available)(`are what they are apart, in mode ${mode}`, () =>
      Effect.gen(function* () {
        const expected = yield* trained(reference)
        for (const [index, mine] of (yield* trained(engine)).entries())
          assert.isUndefined(difference(`result ${index}`, mine, expected[index]!, 1e-4))
      })
    )
})
