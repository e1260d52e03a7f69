/** Training with too little memory or disk space. */
import { readdirSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { EngineFailure } from "@trainyard/backends/Backend"
import * as Engines from "@trainyard/backends/Engines"
import { Effect, Layer, Schedule } from "effect"
import { FreeBytes, SaveRetries } from "../../src/train/Checkpoints.ts"
import { backendOf, place, resultOf, runTraining, services, settings, sibling, steady } from "./laboratory.ts"
import { listen, ofType, stepEvents, stepsOf, undisturbed } from "./trials.ts"

describe("memory", () => {
  it.live("too little: how much was asked for, for what, and what makes it smaller", () =>
    Effect.gen(function* () {
      const at = yield* place
      const failure = new EngineFailure({
        engine: "reference",
        why: "the system gave no more memory",
        transient: false,
        memory: true
      })
      const backend = backendOf((session) => ({
        ...session,
        prepare: (program) =>
          program.name === "train-step" ? Effect.fail(failure) : session.prepare(program)
      }))
      const error = yield* runTraining(at, { ...settings, batchSize: 4096 }).pipe(
        Effect.provide(services(listen(), { backend })),
        Effect.flip
      )
      assert.strictEqual(error._tag, "NotEnoughMemory")
      assert.match(
        error.message,
        /^Training needs about \d+ MB of memory on reference and does not get it \(the system gave no more memory\): 1 MB for the model with its optimizer, and \d+ MB for a batch of 4,096 windows of 8 tokens\. Lower batchSize: 2,048 with gradientAccumulationSteps 2 /
      )
    }).pipe(Effect.scoped)
  )

  it.live("an engine that really gets too little says the same", () =>
    Effect.gen(function* () {
      const at = yield* place
      const error = yield* runTraining(at, { ...settings, batchSize: 2_000_000 }).pipe(
        Effect.provide(services(listen(), { backend: Engines.layer({ backend: "cpu" }).pipe(Layer.orDie) })),
        Effect.flip
      )
      assert.match(
        error.message,
        /^Training needs about [\d.]+ GB of memory on cpu .*Lower batchSize: 1,000,000 /
      )
    }).pipe(Effect.scoped)
  )
})

describe("disk", () => {
  it.live("is looked at before training begins", () =>
    Effect.gen(function* () {
      const at = yield* place
      const heard = listen()
      const error = yield* runTraining(at, settings).pipe(
        Effect.provideService(FreeBytes, () => Effect.succeed(10_000)),
        Effect.provide(services(heard)),
        Effect.flip
      )
      assert.strictEqual(error._tag, "DiskTooSmall")
      assert.strictEqual(stepEvents(heard).length, 0)
    }).pipe(Effect.scoped)
  )

  it.live("full in the middle: retried, a clear stop, nothing half-written, and on when there is room", () =>
    Effect.gen(function* () {
      const plain = yield* place
      yield* undisturbed(plain)
      const full = sibling(plain, "full")
      const heard = listen()
      let asked = 0
      const error = yield* runTraining(full, steady).pipe(
        Effect.provideService(FreeBytes, () => Effect.sync(() => (++asked > 3 ? 1000 : 1e9))),
        Effect.provideService(SaveRetries, Schedule.recurs(2)),
        Effect.provide(services(heard)),
        Effect.flip
      )
      assert.strictEqual(error._tag, "CheckpointFailed")
      assert.include(error.message, "free")
      assert.strictEqual(ofType(heard, "Fault").length, 3)
      assert.isTrue(stepsOf(full).every((name) => name.startsWith("step-")))
      assert.strictEqual(readdirSync(full.output).length, 0)
      yield* undisturbed(full, steady)
      assert.deepStrictEqual(resultOf(full), resultOf(plain))
    }).pipe(Effect.scoped)
  )
})
