import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Engine, Outputs } from "../../src/Backend.ts"
import { checked } from "../../src/checked/checked.ts"
import { sameBits } from "../../src/contract/compare.ts"
import { writeAll } from "../../src/contract/running.ts"
import { heldBy, initial, lossName, tiny, trainInputs, trainProgram } from "../../src/contract/tinyGpt.ts"
import { modern, modernInputs, modernLoss, modernProgram } from "../../src/contract/tinyModern.ts"
import { type Program, sizeOf } from "../../src/program/Program.ts"
import { engine as reference } from "../../src/reference/engine.ts"

const program = trainProgram(tiny)
const tensors = heldBy([program])

/** Reference, but its outputs and programs are tampered with. */
const broken = (
  tamper: (program: Program, outputs: Outputs) => void,
  alter: (program: Program) => Program = (program) => program
): Engine => ({
  ...reference,
  name: "cpu",
  open: (tensors, settings) =>
    Effect.map(reference.open(tensors, settings), (session) => ({
      ...session,
      prepare: (program) =>
        Effect.map(session.prepare(alter(program)), ({ run }) => ({
          run: (inputs) => Effect.tap(run(inputs), (outputs) => Effect.sync(() => tamper(program, outputs)))
        }))
    }))
})

const trainOne = Effect.fnUntraced(function* (engine: Engine, spoil?: string) {
  const session = yield* checked(engine).open(tensors, { threads: 1, precision: "f32" })
  const values = initial(tensors)
  if (spoil !== undefined) values[spoil]![3] = Number.NaN
  yield* writeAll(session, values)
  const prepared = yield* session.prepare(program)
  return yield* prepared.run(trainInputs(tiny, 1))
}, Effect.scoped)

/** Runs and expects a mismatch. */
const found = (engine: Engine, spoil?: string) =>
  Effect.flip(trainOne(engine, spoil)).pipe(
    Effect.map((error) => {
      if (error._tag !== "CheckedMismatch")
        throw new Error(`expected a CheckedMismatch, got ${error.message}`)
      return error
    })
  )

describe("checked mode", () => {
  it.live("checks primitives that write parts of tensors, derived gradients and Muon", () =>
    Effect.gen(function* () {
      const own = modernProgram(modern)
      const held = heldBy([own])
      const session = yield* checked(reference).open(held, { threads: 1, precision: "f32" })
      yield* writeAll(session, initial(held))
      const prepared = yield* session.prepare(own)
      const outputs = yield* prepared.run(modernInputs(modern, 1))
      assert.isAbove(outputs[modernLoss]![0]!, 0)
    })
  )

  it.live("is silent about an engine that is right, and leaves its results as they are", () =>
    Effect.gen(function* () {
      const session = yield* reference.open(tensors, { threads: 1, precision: "f32" })
      yield* writeAll(session, initial(tensors))
      const plain = yield* (yield* session.prepare(program)).run(trainInputs(tiny, 1))
      const outputs = yield* trainOne(reference)
      assert.isTrue(sameBits(outputs[lossName]!, plain[lossName]!))
    })
  )

  it.live("names the first operation whose result is wrong", () =>
    Effect.gen(function* () {
      const error = yield* found(
        broken((_, outputs) => {
          const gelu = outputs["h.1.gelu.y"]
          if (gelu !== undefined) gelu[5]! += 0.01
        })
      )
      const step = program.steps.findIndex((step) => step.outputs.includes("h.1.gelu.y"))
      assert.deepInclude(error, { operation: "gelu", step, tensor: "h.1.gelu.y", element: 5 })
      assert.closeTo(error.value - error.expected, 0.01, 1e-6)
      assert.match(error.message, /cpu engine differs from reference in program train, step \d+ \(gelu\)/)
    })
  )

  it.live("finds what is wrong only in the whole program", () =>
    Effect.gen(function* () {
      const error = yield* found(
        broken((program, outputs) => {
          if (program.steps.length > 1) outputs[lossName]![0]! += 0.1
        })
      )
      assert.deepInclude(error, { step: -1, tensor: lossName, operation: "projectionLoss" })
      assert.match(error.message, /program train as a whole/)
    })
  )

  it.live("finds an update in place that is wrong", () =>
    Effect.gen(function* () {
      const wrongDecay = (program: Program): Program => ({
        ...program,
        steps: program.steps.map((step) =>
          step.operation === "adamW" ? { ...step, attributes: { ...step.attributes, beta1: 0.5 } } : step
        )
      })
      const error = yield* found(broken(() => {}, wrongDecay))
      assert.strictEqual(error.operation, "adamW")
    })
  )

  it.live("takes two runs that are asked for at the same time for what they are", () =>
    Effect.gen(function* () {
      const session = yield* checked(reference).open(tensors, { threads: 1, precision: "f32" })
      const prepared = yield* session.prepare(program)
      const run = Effect.fnUntraced(function* (concurrency: number) {
        yield* writeAll(session, initial(tensors))
        for (const { name, role, shape } of tensors)
          if (role === "state") yield* session.write(name, new Float32Array(sizeOf(shape)))
        return yield* Effect.forEach([1, 2], (step) => prepared.run(trainInputs(tiny, step)), { concurrency })
      })
      const losses = (all: ReadonlyArray<Outputs>) => Float32Array.from(all, (one) => one[lossName]![0]!)
      assert.isTrue(sameBits(losses(yield* run(2)), losses(yield* run(1))))
    }).pipe(Effect.scoped)
  )

  it.live("stops at the first NaN and names its tensor and operation", () =>
    Effect.gen(function* () {
      const error = yield* found(reference, "h.0.ln_2.weight")
      assert.deepInclude(error, { operation: "layerNorm", tensor: "h.0.ln_2.y", element: 3 })
      assert.match(
        error.message,
        /A value is not finite in program train, step \d+ \(layerNorm\): h\.0\.ln_2\.y\[3\]/
      )
    })
  )
})
