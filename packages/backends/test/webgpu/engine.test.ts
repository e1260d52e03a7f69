/** What the engine does beyond the contract. What needs an adapter is skipped visibly where there is none. */
import "./software.ts"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Session } from "../../src/Backend.ts"
import { trainProgram as referenceProgram, referenceShape } from "../../src/bench/gpt.ts"
import { difference } from "../../src/contract/compare.ts"
import { writeAll } from "../../src/contract/running.ts"
import { heldBy, initial, lossName, tiny, trainInputs, trainProgram } from "../../src/contract/tinyGpt.ts"
import { modern, modernInputs, modernLoss, modernProgram } from "../../src/contract/tinyModern.ts"
import { make } from "../../src/program/Builder.ts"
import { expandFor } from "../../src/program/expand.ts"
import { Names } from "../../src/program/optimize.ts"
import type { Program, Tensor } from "../../src/program/Program.ts"
import { engine as reference } from "../../src/reference/engine.ts"
import { findAdapter, isFound } from "../../src/webgpu/adapter.ts"
import { openDevice } from "../../src/webgpu/Device.ts"
import { engine } from "../../src/webgpu/engine.ts"
import { lower } from "../../src/webgpu/Lowering.ts"
import { lowerings } from "../../src/webgpu/lowerings.ts"
import { openSession } from "../../src/webgpu/session.ts"

const settings = { threads: 1, precision: "f32" } as const
const limits = { bytes: 2 ** 30, buffers: 8 }
const lowered = (program: Program) =>
  lower(expandFor(program, new Set(Object.keys(lowerings))), lowerings, limits)

describe("the webgpu engine's kernels", () => {
  it("are at most 255 dispatches for the reference model's training step", () => {
    assert.isAtMost(lowered(referenceProgram(referenceShape)).dispatches.length, 255)
  })

  it("have the same text for the same work, so that deeper models compile no more of them", () => {
    const textsOf = (layers: number) =>
      new Set(lowered(trainProgram({ ...tiny, layers })).dispatches.map(({ code }) => code)).size
    // The norm's gradients are grouped by how many parameters there are.
    assert.isAtMost(textsOf(6) - textsOf(3), 6)
  })

  it("take the product of logits once for a loss and its gradient", () => {
    const { dispatches } = lowered(trainProgram(tiny))
    const backward = dispatches.filter(({ operation }) => operation === "projectionLossBackward")
    assert.strictEqual(backward.length, 3)
  })
})

const here = await Effect.runPromise(engine.availability)

describe.skipIf(!here.available)("the webgpu engine", () => {
  it.live("trains as reference does", () =>
    Effect.gen(function* () {
      const shape = { ...tiny, layers: 1 }
      const program = trainProgram(shape)
      const losses = Effect.fnUntraced(function* (one: typeof engine) {
        const tensors = heldBy([program])
        const session = yield* one.open(tensors, settings)
        yield* writeAll(session, initial(tensors))
        const prepared = yield* session.prepare(program)
        const curve: Array<number> = []
        for (let step = 1; step <= 10; step++)
          curve.push((yield* prepared.run(trainInputs(shape, step)))[lossName]![0]!)
        return Float32Array.from(curve)
      }, Effect.scoped)
      assert.isUndefined(difference("loss", yield* losses(engine), yield* losses(reference), 1e-4))
    })
  )

  it.live("trains with the limits that every adapter has", () =>
    Effect.gen(function* () {
      const found = yield* findAdapter
      if (!isFound(found)) return assert.fail(found.why)
      const least = {
        maxBufferSize: 2 ** 28,
        maxStorageBufferBindingSize: 2 ** 27,
        maxStorageBuffersPerShaderStage: 8
      }
      const { adapter } = found
      const small = {
        limits: least,
        requestDevice: adapter.requestDevice.bind(adapter)
      } as unknown as GPUAdapter
      const device = yield* openDevice({ ...found, adapter: small })
      assert.strictEqual(device.gpu.limits.maxStorageBuffersPerShaderStage, 8)
      const shape = { ...modern, layers: 1 }
      const program = modernProgram(shape)
      const tensors = heldBy([program])
      const norms = Effect.fnUntraced(function* (session: Session) {
        yield* writeAll(session, initial(tensors))
        const outputs = yield* (yield* session.prepare(program)).run(modernInputs(shape, 1))
        return Float32Array.of(outputs[modernLoss]![0]!, outputs[Names.gradientNorm]![0]!)
      })
      const mine = yield* norms(yield* openSession(device, tensors))
      const right = yield* norms(yield* reference.open(tensors, settings))
      assert.isUndefined(difference("loss and norm", mine, right, 1e-4))
    }).pipe(Effect.scoped)
  )

  it.live("reaches elements beyond the 24 bits of a float32's whole numbers", () =>
    Effect.gen(function* () {
      const count = 2 ** 24 + 300
      const b = make("long")
      const e = b.expander("long")
      const x = b.state("x", [count])
      const y = b.state("y", [count])
      e.write(e.array(y.name), "2 * x", { x: e.array(x.name) })
      const program = b.build([])
      const session = yield* engine.open([x, y], settings)
      const values = new Float32Array(count)
      for (const at of [0, 2 ** 24, 2 ** 24 + 1, count - 1]) values[at] = at % 1000
      yield* session.write("x", values)
      yield* (yield* session.prepare(program)).run({})
      const doubled = yield* session.read("y")
      for (const at of [1, 2 ** 24, 2 ** 24 + 1, count - 1])
        assert.strictEqual(doubled[at], 2 * values[at]!, `element ${at}`)
    })
  )

  it.live("refuses a tensor beyond the adapter's limit, and names both", () =>
    Effect.gen(function* () {
      const table: Tensor = { name: "table", shape: [2 ** 15, 2 ** 17], type: "f32", role: "parameter" }
      const error = yield* Effect.flip(engine.open([table], settings))
      assert.strictEqual(error._tag, "ProgramRejected")
      assert.match(error.message, /table.*17179869184 bytes.*max(StorageBufferBinding|Buffer)Size is \d+/)
    })
  )

  it.live("names the device in its build, and says which adapter it found", () =>
    Effect.gen(function* () {
      const found = yield* engine.availability
      assert.match(found.available ? found.detail : "", /^WebGPU on ./)
      assert.isNotEmpty((yield* engine.build).kernels)
    })
  )
})
