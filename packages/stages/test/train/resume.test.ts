import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { engine as cpu } from "@trainyard/backends/cpu/engine"
import { engine as native } from "@trainyard/backends/native/engine"
import { Effect, Fiber } from "effect"
import {
  backendOf,
  backendOn,
  type Place,
  place,
  resultOf,
  runTraining,
  type Settings,
  services,
  settings,
  sibling,
  trainee
} from "./laboratory.ts"
import {
  evaluations as evaluationsIn,
  interruptAt,
  isStep,
  listen,
  ofType,
  stepEvents,
  stepsOf,
  undisturbed
} from "./trials.ts"

const engines = await Promise.all(
  [cpu, native].map(async (engine) => ({ engine, here: await Effect.runPromise(engine.availability) }))
)

describe("resume", () => {
  const config: Settings = {
    ...settings,
    model: { ...settings.model, dropout: 0.1 },
    checkpointEvery: { steps: 5 }
  }

  it.live("an interrupted run saves the step under way and ends bit-identical", () =>
    Effect.gen(function* () {
      const plain = yield* place
      yield* undisturbed(plain, config)
      for (const [index, at] of [1, 9, 17].entries()) {
        const stopped = sibling(plain, `stopped-${index}`)
        const before = listen()
        let steps = 0
        yield* interruptAt(
          stopped,
          config,
          (event) => (isStep(event) || event.type === "Saved") && ++steps === 1 + (at % 3),
          before
        )
        assert.strictEqual(existsSync(join(stopped.output, "last")), false)
        const saved = ofType(before, "Saved").at(-1)!.step
        const after = listen()
        yield* undisturbed(stopped, config, after)
        assert.deepStrictEqual(
          ofType(after, "Resumed").map((event) => [event.step, event.skipped]),
          [[saved, []]]
        )
        assert.deepStrictEqual(resultOf(stopped), resultOf(plain))
      }
    }).pipe(Effect.scoped)
  )

  it.live("an evaluation that was cut short is made up for", () =>
    Effect.gen(function* () {
      const plain = yield* place
      yield* undisturbed(plain, config)
      const stopped = sibling(plain, "stopped")
      let evaluations = 0
      // Hangs in the middle of the second evaluation, as long as this attempt lasts.
      const backend = backendOf((session) => ({
        ...session,
        prepare: (program) =>
          Effect.map(session.prepare(program), (prepared) =>
            program.name === "evaluate"
              ? { run: (inputs) => (++evaluations === 8 ? Effect.never : prepared.run(inputs)) }
              : prepared
          )
      }))
      const fiber = yield* runTraining(stopped, config).pipe(
        Effect.provide(services(listen(), { backend })),
        Effect.forkChild
      )
      while (evaluations < 8) yield* Effect.sleep(1)
      yield* Fiber.interrupt(fiber)
      const after = listen()
      yield* undisturbed(stopped, config, after)
      assert.deepStrictEqual(
        ofType(after, "Resumed").map((event) => event.step),
        [16]
      )
      assert.strictEqual(evaluationsIn(after)[0]?.step, 16)
      assert.deepStrictEqual(resultOf(stopped), resultOf(plain))
    }).pipe(Effect.scoped)
  )

  it.live(
    "one flipped byte in any file of the newest checkpoint: it is named, and the one before is used",
    () =>
      Effect.gen(function* () {
        const plain = yield* place
        yield* undisturbed(plain, config)
        const saving: Settings = { ...config, faults: { notFinite: "rollback" } }
        const files = [
          "parameters.safetensors",
          "optimizer.safetensors",
          "state.json",
          "curve.jsonl",
          "checkpoint.json"
        ]
        for (const file of files) {
          const broken = sibling(plain, `broken-${file}`)
          yield* interruptAt(broken, saving, (event) => event.type === "Saved" && event.step === 15)
          const newest = stepsOf(broken).at(-1)!
          const path = join(broken.scratch, "checkpoints", newest, file)
          const bytes = readFileSync(path)
          bytes[Math.floor(bytes.length / 2)]! ^= 1
          writeFileSync(path, bytes)
          const heard = listen()
          yield* undisturbed(broken, saving, heard)
          const [resumed] = ofType(heard, "Resumed")
          assert.isBelow(resumed!.step, Number(newest.slice(5)))
          assert.strictEqual(resumed!.skipped.length, 1)
          assert.include(resumed!.skipped[0]!.directory, newest)
          assert.include(resumed!.skipped[0]!.why, file)
          assert.deepStrictEqual(resultOf(broken), resultOf(plain))
        }
      }).pipe(Effect.scoped)
  )

  it.live("begins again, and says so, when no checkpoint is whole", () =>
    Effect.gen(function* () {
      const plain = yield* place
      yield* undisturbed(plain, config)
      const broken = sibling(plain, "broken")
      yield* interruptAt(broken, config, (event) => event.type === "Saved")
      for (const name of stepsOf(broken))
        writeFileSync(join(broken.scratch, "checkpoints", name, "state.json"), "{}")
      const heard = listen()
      yield* undisturbed(broken, config, heard)
      assert.isTrue(ofType(heard, "Note").some((note) => note.message.includes("is skipped")))
      assert.deepStrictEqual(resultOf(broken), resultOf(plain))
    }).pipe(Effect.scoped)
  )

  it.live("a finished run publishes again without training", () =>
    Effect.gen(function* () {
      const at = yield* place
      yield* undisturbed(at, config)
      const again = { ...sibling(at, "again"), scratch: at.scratch }
      const heard = listen()
      yield* undisturbed(again, config, heard)
      assert.strictEqual(stepEvents(heard).length, 0)
      assert.deepStrictEqual(resultOf(again), resultOf(at))
    }).pipe(Effect.scoped)
  )

  for (const { engine, here } of engines)
    it.live.skipIf(!here.available)(
      `with another number of threads on ${engine.name} it ends bit-identical${here.available ? "" : ` (skipped: ${here.why})`}`,
      () =>
        Effect.gen(function* () {
          const plain = yield* place
          const on = (at: Place, threads: number, heard = listen()) =>
            runTraining(at, trainee).pipe(
              Effect.provide(services(heard, { backend: backendOn(engine, threads) }))
            )
          yield* on(plain, 1)
          const stopped = sibling(plain, "stopped")
          // Two attempts that are stopped and one that is not, each with other threads.
          for (const threads of [3, 2])
            yield* interruptAt(
              stopped,
              trainee,
              (event) => event.type === "Saved",
              listen(),
              backendOn(engine, threads)
            )
          const heard = listen()
          yield* on(stopped, 5, heard)
          assert.isAbove(ofType(heard, "Resumed").at(0)?.step ?? 0, 0)
          assert.deepStrictEqual(
            ofType(heard, "Note").filter((note) => note.level === "warning"),
            []
          )
          assert.deepStrictEqual(resultOf(stopped), resultOf(plain))
        }).pipe(Effect.scoped)
    )
})
