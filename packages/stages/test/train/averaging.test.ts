/** An average of the weights beside them: what it is, that it is judged and published, and that it survives. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { EngineFailure } from "@trainyard/backends/Backend"
import { Deferred, Effect, Fiber, FileSystem } from "effect"
import { systemError } from "effect/PlatformError"
import { names } from "../../src/model/gpt/parameters.ts"
import { decode } from "../../src/tensors/Safetensors.ts"
import {
  asRun,
  backendOf,
  type Heard,
  type Place,
  place,
  resultOf,
  runTraining,
  type Settings,
  services,
  settings,
  sibling,
  steady
} from "./laboratory.ts"
import { evaluations, interruptAt } from "./trials.ts"

const averaged = {
  ...steady,
  emaSteps: 6,
  checkpointEvery: { steps: 1 },
  keepLast: 50
} satisfies Settings

const trained = (at: Place, config: Settings, heard: Heard = { events: [] }) =>
  runTraining(at, config).pipe(Effect.provide(services(heard)))

const valuesOf = (folder: string, file: string) =>
  Effect.map(
    decode(readFileSync(join(folder, file)), file),
    ({ tensors }) => tensors.get(names.table)!.values
  )

/** The bytes that must not depend on what happened on the way. */
const everythingOf = (at: Place) => [
  ...resultOf(at),
  ...["best", "last"].map((state) =>
    readFileSync(join(at.output, state, "average.safetensors")).toString("base64")
  )
]

/** The n-th run of the evaluation program, with the mean in the place of the weights, ends otherwise; its session may end with it. */
const backendThat = (nth: number, instead: Effect.Effect<never, EngineFailure>, dies = false) => {
  let runs = 0
  return backendOf((session) => {
    let isDead = false
    const orDied = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | EngineFailure> =>
      Effect.suspend((): Effect.Effect<A, E | EngineFailure> => (isDead ? instead : effect))
    return {
      write: (...args) => orDied(session.write(...args)),
      read: (...args) => orDied(session.read(...args)),
      prepare: (program) =>
        Effect.map(session.prepare(program), (prepared) => ({
          run: (inputs) => {
            if (program.name !== "evaluate" || ++runs !== nth) return prepared.run(inputs)
            isDead = dies
            return instead
          }
        }))
    }
  })
}

const lossesOf = (heard: Heard) => evaluations(heard).map(({ loss }) => loss ?? Number.NaN)

describe("emaSteps", () => {
  it.live(
    "is the mean of the first weights, then one that forgets, and training itself does not see it",
    () =>
      Effect.gen(function* () {
        const at = yield* place
        const plain = sibling(at, "plain")
        yield* trained(at, averaged)
        yield* trained(plain, { ...averaged, emaSteps: 0 })
        const mean: Array<number> = []
        for (let step = 1; step <= averaged.steps; step++) {
          const folder = join(plain.scratch, "checkpoints", `step-${String(step).padStart(7, "0")}`)
          const weights = yield* valuesOf(folder, "parameters.safetensors")
          for (const [index, value] of weights.entries())
            mean[index] =
              (mean[index] ?? 0) + (value - (mean[index] ?? 0)) / Math.min(step, averaged.emaSteps)
        }
        const kept = yield* valuesOf(join(at.output, "last"), "average.safetensors")
        assert.isAbove(mean.length, 0)
        for (const [index, value] of mean.entries()) assert.closeTo(kept[index]!, value, 1e-6)
        assert.deepStrictEqual(
          yield* valuesOf(join(at.output, "last"), "parameters.safetensors"),
          yield* valuesOf(join(plain.output, "last"), "parameters.safetensors")
        )
      }).pipe(Effect.scoped)
  )

  it.live("is what evaluations measure", () =>
    Effect.gen(function* () {
      const at = yield* place
      const [none, one, six]: ReadonlyArray<Heard> = [{ events: [] }, { events: [] }, { events: [] }]
      yield* trained(at, settings, none)
      yield* trained(sibling(at, "one"), { ...settings, emaSteps: 1 }, one)
      yield* trained(sibling(at, "six"), { ...settings, emaSteps: 6 }, six)
      assert.strictEqual(lossesOf(six!).length, lossesOf(none!).length)
      for (const [index, loss] of lossesOf(none!).entries()) {
        // The mean over one step is the weights themselves, but for a rounding.
        assert.closeTo(lossesOf(one!)[index]!, loss, 1e-5)
        assert.isAbove(Math.abs(lossesOf(six!)[index]! - loss), 1e-4)
      }
    }).pipe(Effect.scoped)
  )

  it.live("goes on bit-identical after an interruption", () =>
    Effect.gen(function* () {
      const config = { ...averaged, emaSteps: 40, evaluateEvery: 7, checkpointEvery: { steps: 4 } }
      const plain = yield* place
      yield* trained(plain, config)
      for (const step of [3, 11, 18]) {
        const stopped = sibling(plain, `stopped-${step}`)
        yield* interruptAt(stopped, config, (event) => event.type === "Saved" && event.step >= step)
        yield* trained(stopped, config)
        assert.deepStrictEqual(everythingOf(stopped), everythingOf(plain))
      }
    }).pipe(Effect.scoped)
  )

  it.live("saves the weights, not their mean, when it is interrupted while that is measured", () =>
    Effect.gen(function* () {
      const plain = yield* place
      yield* trained(plain, averaged)
      const stopped = sibling(plain, "stopped")
      const reached = yield* Deferred.make<void>()
      const backend = backendThat(2, Effect.andThen(Deferred.succeed(reached, undefined), Effect.never))
      const fiber = yield* runTraining(stopped, averaged).pipe(
        Effect.provide(services({ events: [] }, { backend })),
        Effect.forkChild
      )
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(fiber)
      yield* trained(stopped, averaged)
      assert.deepStrictEqual(everythingOf(stopped), everythingOf(plain))
    }).pipe(Effect.scoped)
  )

  it.live("goes on bit-identical when the engine dies while the mean is measured", () =>
    Effect.gen(function* () {
      const plain = yield* place
      yield* trained(plain, averaged)
      const failure = Effect.fail(
        new EngineFailure({ engine: "reference", why: "a worker died", transient: true })
      )
      for (const dies of [false, true]) {
        const hurt = sibling(plain, `hurt-${dies}`)
        const heard: Heard = { events: [] }
        const backend = backendThat(2, failure, dies)
        yield* runTraining(hurt, averaged).pipe(Effect.provide(services(heard, { backend })))
        assert.strictEqual(heard.events.filter(({ type }) => type === "Fault").length, 1)
        assert.deepStrictEqual(everythingOf(hurt), everythingOf(plain))
      }
    }).pipe(Effect.scoped)
  )

  it.live("ends with a sentence when the disk refuses the mean, and goes on when it does not", () =>
    Effect.gen(function* () {
      const plain = yield* place
      yield* trained(plain, averaged)
      const full = sibling(plain, "full")
      const error = yield* Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        let writes = 0
        const open: FileSystem.FileSystem["open"] = (path, options) =>
          Effect.map(fs.open(path, options), (file): FileSystem.File => {
            const full = Effect.fail(
              systemError({
                _tag: "WriteZero",
                module: "FileSystem",
                method: "write",
                cause: Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" })
              })
            )
            return Object.assign(Object.create(file), {
              // The file knows where it stands, so that it must be the one that is moved.
              seek: (...args: Parameters<FileSystem.File["seek"]>) => file.seek(...args),
              writeAll: (bytes: Uint8Array) =>
                path.includes("tensors-") && ++writes > 100 ? full : file.writeAll(bytes)
            })
          })
        return yield* Effect.flip(
          Effect.provideService(runTraining(full, averaged), FileSystem.FileSystem, { ...fs, open })
        )
      }).pipe(Effect.provide(services({ events: [] })))
      assert.strictEqual(error._tag, "DiskTensorsUnusable")
      assert.match(error.message, /no space.*run the same command again/is)
      yield* trained(full, averaged)
      assert.deepStrictEqual(everythingOf(full), everythingOf(plain))
    }).pipe(Effect.scoped)
  )
})

describe("averageLast", () => {
  // The last 12 of 24 steps.
  const late = { ...averaged, emaSteps: 0, averageLast: 0.5 } satisfies Settings

  it.live(
    "is the plain mean of the weights of the last steps, and before them the weights are evaluated",
    () =>
      Effect.gen(function* () {
        const at = yield* place
        const plain = sibling(at, "plain")
        const heard: ReadonlyArray<Heard> = [{ events: [] }, { events: [] }]
        yield* trained(at, late, heard[0])
        yield* trained(plain, { ...late, averageLast: 0 }, heard[1])
        const folderOf = ({ scratch }: Place, step: number) =>
          join(scratch, "checkpoints", `step-${String(step).padStart(7, "0")}`)
        const mean: Array<number> = []
        for (let step = 13; step <= 24; step++) {
          const weights = yield* valuesOf(folderOf(plain, step), "parameters.safetensors")
          for (const [index, value] of weights.entries()) mean[index] = (mean[index] ?? 0) + value / 12
        }
        const kept = yield* valuesOf(join(at.output, "last"), "average.safetensors")
        for (const [index, value] of mean.entries()) assert.closeTo(kept[index]!, value, 1e-6)
        const [mine, theirs] = heard.map(lossesOf)
        assert.strictEqual(mine![0], theirs![0])
        assert.notStrictEqual(mine![2], theirs![2])
        assert.isFalse(existsSync(join(folderOf(at, 12), "average.safetensors")))
        assert.isTrue(existsSync(join(folderOf(at, 13), "average.safetensors")))
      }).pipe(Effect.scoped)
  )

  it.live("goes on bit-identical after an interruption before, in and after its beginning", () =>
    Effect.gen(function* () {
      const config = { ...late, checkpointEvery: { steps: 3 } }
      const plain = yield* place
      yield* trained(plain, config)
      for (const step of [9, 12, 18]) {
        const stopped = sibling(plain, `stopped-${step}`)
        yield* interruptAt(stopped, config, (event) => event.type === "Saved" && event.step >= step)
        yield* trained(stopped, config)
        assert.deepStrictEqual(everythingOf(stopped), everythingOf(plain))
      }
    }).pipe(Effect.scoped)
  )

  it.live("goes on with a finished run where both have one schedule, and begins again where not", () =>
    Effect.gen(function* () {
      const plain = yield* place
      yield* trained(plain, late)
      const first = sibling(plain, "first")
      const value = yield* trained(first, { ...late, steps: 16, decaySteps: 24 })
      const next = { ...sibling(plain, "next"), from: asRun(first, value) }
      yield* trained(next, late)
      assert.deepStrictEqual(everythingOf(next), everythingOf(plain))
      const heard: Heard = { events: [] }
      yield* trained({ ...sibling(plain, "other"), from: next.from }, { ...late, averageLast: 0.4 }, heard)
      assert.match(JSON.stringify(heard.events), /averaged its weights over other steps/)
    }).pipe(Effect.scoped)
  )

  it.live("and emaSteps together are refused", () =>
    Effect.gen(function* () {
      const error = yield* trained(yield* place, { ...late, emaSteps: 4 }).pipe(Effect.flip)
      assert.match(error.message, /averageLast \(0\.5\) and emaSteps \(4\) are both given/)
    }).pipe(Effect.scoped)
  )
})
