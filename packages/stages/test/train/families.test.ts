/** What must hold of training holds for every model family: resume, threads, going on, another context. GPT-2's is in the files beside. */
import { assert, describe, it } from "@effect/vitest"
import type { Engine } from "@trainyard/backends/Backend"
import { engine as cpu } from "@trainyard/backends/cpu/engine"
import { engine as native } from "@trainyard/backends/native/engine"
import { Effect, Schema } from "effect"
import { ModelConfig } from "../../src/model/ModelConfig.ts"
import { tensorsOf, training } from "../../src/model/Programs.ts"
import {
  asRun,
  backendOn,
  type Place,
  place,
  publishModel,
  resultOf,
  runTraining,
  type Settings,
  services,
  settings,
  sibling
} from "./laboratory.ts"
import { evaluations, interruptAt, listen, ofType, undisturbed } from "./trials.ts"

const config: Settings = {
  ...settings,
  model: {
    family: "qwen",
    embedding: 8,
    layers: 1,
    heads: 4,
    keyValueHeads: 2,
    headWidth: 4,
    hidden: 12,
    dropout: { embedding: 0.1, mlp: 0.1 }
  },
  emaSteps: 8,
  calibrate: true
}
const { model: _, ...without } = config
const decodeModel = Schema.decodeUnknownSync(ModelConfig)

/** Why an engine cannot train such a model here, or undefined. */
const lackOf = Effect.fnUntraced(function* (engine: Engine) {
  const here = yield* engine.availability
  if (!here.available) return here.why
  const spec = { model: decodeModel(config.model), vocabularySize: 24, sequenceLength: 8 }
  const { step } = training(spec, 2, {})
  return yield* engine.open(tensorsOf([step]), { threads: 1, precision: "f32" }).pipe(
    Effect.flatMap((session) => session.prepare(step)),
    Effect.as(undefined),
    Effect.catchTag("ProgramRejected", ({ message }) => Effect.succeed(message))
  )
}, Effect.scoped)

const engines = await Promise.all(
  [cpu, native].map(async (engine) => ({ engine, lack: await Effect.runPromise(lackOf(engine)) }))
)

describe("training a model of Qwen3's family", () => {
  it.live("learns, and an interrupted run ends with the same bits", () =>
    Effect.gen(function* () {
      const plain = yield* place
      const heard = listen()
      yield* undisturbed(plain, config, heard)
      const losses = evaluations(heard).map(({ loss }) => loss!)
      assert.isBelow(losses.at(-1)!, losses[0]!)
      const stopped = sibling(plain, "stopped")
      yield* interruptAt(stopped, config, (event) => event.type === "Saved" && event.step >= 12)
      yield* undisturbed(stopped, config)
      assert.deepStrictEqual(resultOf(stopped), resultOf(plain))
    }).pipe(Effect.scoped)
  )

  it.live("gradients of two batches make one step", () =>
    Effect.gen(function* () {
      const at = yield* place
      const run = yield* undisturbed(at, { ...config, gradientAccumulationSteps: 2, batchSize: 1 })
      assert.isBelow(run.lastValidationLoss, Math.log(24))
    }).pipe(Effect.scoped)
  )

  it.live("8 steps, then 24, end with the same bits as 24", () =>
    Effect.gen(function* () {
      const plain = yield* place
      yield* undisturbed(plain, config)
      const first = sibling(plain, "first")
      const value = yield* undisturbed(first, { ...config, steps: 8, decaySteps: 24 })
      const next: Place = { ...sibling(plain, "next"), from: asRun(first, value) }
      yield* undisturbed(next, without as Settings)
      assert.deepStrictEqual(resultOf(next), resultOf(plain))
    }).pipe(Effect.scoped)
  )

  it.live("a model is trained further with a longer context", () =>
    Effect.gen(function* () {
      const at = yield* place
      const { directory, value } = yield* publishModel(at, config)
      const from = { kind: "model" as const, directory, value, cacheKey: "model-of-the-tests" }
      const heard = listen()
      const longer = { ...without, emaSteps: 0, sequenceLength: 16, steps: 2 } as Settings
      const run = yield* undisturbed({ ...sibling(at, "longer"), from }, longer, heard)
      assert.strictEqual(run.sequenceLength, 16)
      assert.deepStrictEqual(run.model, value.model)
      assert.deepStrictEqual(ofType(heard, "Note"), [])
    }).pipe(Effect.scoped)
  )

  for (const { engine, lack } of engines)
    it.live.skipIf(lack !== undefined)(
      `with another number of threads on ${engine.name} it ends with the same bits${lack === undefined ? "" : ` (skipped: ${lack})`}`,
      () =>
        Effect.gen(function* () {
          const on = (at: Place, threads: number) =>
            runTraining(at, config).pipe(
              Effect.provide(services(listen(), { backend: backendOn(engine, threads) }))
            )
          const plain = yield* place
          yield* on(plain, 1)
          const stopped = sibling(plain, "stopped")
          yield* interruptAt(
            stopped,
            config,
            (event) => event.type === "Saved",
            listen(),
            backendOn(engine, 3)
          )
          yield* on(stopped, 2)
          assert.deepStrictEqual(resultOf(stopped), resultOf(plain))
        }).pipe(Effect.scoped)
    )
})
