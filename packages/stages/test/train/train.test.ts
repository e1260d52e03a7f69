import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { EngineFailure } from "@trainyard/backends/Backend"
import { Deferred, Effect, Fiber, Schedule } from "effect"
import * as Batches from "../../src/train/Batches.ts"
import * as CheckpointFolder from "../../src/train/CheckpointFolder.ts"
import { FreeBytes, SaveRetries } from "../../src/train/Checkpoints.ts"
import { OpenTokens, TokensUnreadable } from "../../src/train/Tokens.ts"
import {
  backendOf,
  type Heard,
  type Place,
  place,
  resultOf,
  runTraining,
  type Settings,
  sequenceLength,
  services,
  settings,
  sibling,
  steady
} from "./laboratory.ts"

const listen = (): Heard => ({ events: [] })

const ofType = <T extends Heard["events"][number]["type"]>({ events }: Heard, type: T) =>
  events.filter((event): event is Extract<Heard["events"][number], { type: T }> => event.type === type)

/** Trains without any disturbance. */
const undisturbed = (at: Place, config: Settings = settings, heard = listen()) =>
  runTraining(at, config).pipe(Effect.provide(services(heard)))

const stepsOf = ({ scratch }: Place): ReadonlyArray<string> =>
  readdirSync(join(scratch, "checkpoints")).sort()

/** Interrupts training as soon as the event arrives, and waits for it to have ended. */
const interruptAt = (
  at: Place,
  config: Settings,
  when: (event: Heard["events"][number]) => boolean,
  heard = listen(),
  backend = backendOf()
) =>
  Effect.gen(function* () {
    const reached = yield* Deferred.make<void>()
    const fiber = yield* runTraining(at, config).pipe(
      Effect.provide(
        services(heard, {
          backend,
          react: (event) => (when(event) ? Effect.asVoid(Deferred.succeed(reached, undefined)) : Effect.void)
        })
      ),
      Effect.forkChild
    )
    yield* Deferred.await(reached)
    yield* Fiber.interrupt(fiber)
  })

const curveOf = ({ output }: Place) =>
  readFileSync(join(output, "curve.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))

describe("train", () => {
  it.live("learns, keeps every step in the curve, and publishes best and last", () =>
    Effect.gen(function* () {
      const at = yield* place
      const heard = listen()
      const value = yield* undisturbed(at, { ...settings, sampleEvery: 12, prompts: ["w3 w5"] }, heard)
      const curve = curveOf(at)
      const losses = curve.filter((point) => point.validationLoss === undefined)
      assert.deepStrictEqual(
        losses.map((point) => point.step),
        Array.from({ length: 24 }, (_, index) => index + 1)
      )
      assert.isBelow(losses.at(-1).loss, losses[0].loss)
      assert.deepStrictEqual(
        ofType(heard, "Evaluation").map((event) => event.step),
        [8, 16, 24]
      )
      assert.deepStrictEqual(
        ofType(heard, "Sample").map((event) => [event.step, event.prompt]),
        [
          [12, "w3 w5"],
          [24, "w3 w5"]
        ]
      )
      assert.strictEqual(value.steps, 24)
      assert.strictEqual(value.tokensSeen, 24 * 16)
      assert.isAbove(value.seconds, 0)
      for (const state of ["best", "last"])
        yield* CheckpointFolder.read(join(at.output, state)).pipe(Effect.provide(services(heard)))
      assert.strictEqual(ofType(heard, "Step").at(-1)?.step, 24)
    }).pipe(Effect.scoped)
  )

  it.live("gives the same bits on every run, and other bits for another seed", () =>
    Effect.gen(function* () {
      const first = yield* place
      const second = sibling(first, "second")
      const other = sibling(first, "other")
      const config = { ...settings, model: { ...settings.model, dropout: 0.1 } }
      yield* undisturbed(first, config)
      yield* undisturbed(second, config)
      yield* undisturbed(other, { ...config, seed: 8 })
      assert.deepStrictEqual(resultOf(second), resultOf(first))
      assert.notDeepEqual(resultOf(other), resultOf(first))
    }).pipe(Effect.scoped)
  )

  it.live("keeps the last checkpoints and the best", () =>
    Effect.gen(function* () {
      const at = yield* place
      const heard = listen()
      // A rate this high makes the validation loss rise again, so that the best is not the last.
      const value = yield* undisturbed(
        at,
        { ...steady, steps: 40, learningRate: 0.5, finalLearningRate: 0.5, keepLast: 2, evaluateEvery: 4 },
        heard
      )
      const kept = stepsOf(at).map((name) => Number(name.slice(5)))
      assert.include(kept, value.bestStep)
      assert.deepStrictEqual(
        kept.filter((step) => step !== value.bestStep),
        [36, 40].filter((step) => step !== value.bestStep)
      )
    }).pipe(Effect.scoped)
  )

  it.live("stops when patience runs out", () =>
    Effect.gen(function* () {
      const at = yield* place
      const heard = listen()
      const value = yield* undisturbed(
        at,
        { ...settings, steps: 400, learningRate: 2, finalLearningRate: 2, evaluateEvery: 2, patience: 3 },
        heard
      )
      assert.strictEqual(value.stopped, "patience")
      assert.isBelow(value.steps, 400)
      assert.strictEqual(value.steps, value.bestStep + 6)
    }).pipe(Effect.scoped)
  )

  it.live("accumulating batches is one larger batch", () =>
    Effect.gen(function* () {
      const whole = yield* place
      const parts = sibling(whole, "parts")
      const config = { ...settings, steps: 6, evaluateEvery: 6 }
      yield* undisturbed(whole, { ...config, batchSize: 4 })
      yield* undisturbed(parts, { ...config, batchSize: 2, accumulation: 2 })
      const [a, b] = [curveOf(whole), curveOf(parts)]
      assert.strictEqual(a.length, b.length)
      for (const [index, point] of a.entries()) {
        assert.closeTo(b[index].loss, point.loss, 1e-4)
        assert.closeTo(b[index].gradientNorm, point.gradientNorm, 1e-3)
      }
    }).pipe(Effect.scoped)
  )
})

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
          (event) => (event.type === "Step" || event.type === "CheckpointSaved") && ++steps === 1 + (at % 3),
          before
        )
        assert.strictEqual(existsSync(join(stopped.output, "last")), false)
        const saved = ofType(before, "CheckpointSaved").at(-1)!.step
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
              ? { run: (inputs) => (++evaluations === 5 ? Effect.never : prepared.run(inputs)) }
              : prepared
          )
      }))
      const fiber = yield* runTraining(stopped, config).pipe(
        Effect.provide(services(listen(), { backend })),
        Effect.forkChild
      )
      while (evaluations < 5) yield* Effect.sleep(1)
      yield* Fiber.interrupt(fiber)
      const after = listen()
      yield* undisturbed(stopped, config, after)
      assert.deepStrictEqual(
        ofType(after, "Resumed").map((event) => event.step),
        [16]
      )
      assert.strictEqual(ofType(after, "Evaluation")[0]?.step, 16)
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
          yield* interruptAt(broken, saving, (event) => event.type === "CheckpointSaved" && event.step === 15)
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
      yield* interruptAt(broken, config, (event) => event.type === "CheckpointSaved")
      for (const name of stepsOf(broken))
        writeFileSync(join(broken.scratch, "checkpoints", name, "state.json"), "{}")
      const heard = listen()
      yield* undisturbed(broken, config, heard)
      assert.isTrue(ofType(heard, "Note").some((note) => note.message.includes("passed over")))
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
      assert.strictEqual(ofType(heard, "Step").length, 0)
      assert.deepStrictEqual(resultOf(again), resultOf(at))
    }).pipe(Effect.scoped)
  )

  it.live("says when the number of threads is another", () =>
    Effect.gen(function* () {
      const at = yield* place
      yield* interruptAt(at, config, (event) => event.type === "CheckpointSaved")
      const heard = listen()
      yield* runTraining(at, config).pipe(
        Effect.provide(services(heard, { backend: backendOf((session) => session, 2) }))
      )
      assert.isTrue(ofType(heard, "Note").some((note) => note.message.includes("2")))
    }).pipe(Effect.scoped)
  )
})

/** The tokens of a batch of the undisturbed run, as one text. */
const batchOf = (at: Place, index: number) =>
  Effect.gen(function* () {
    const { dataset } = at
    const open = yield* OpenTokens
    const tokens = yield* open(join(dataset.directory, "train.bin"), 2)
    const { seed } = settings
    const plan = { tokens: tokens.length, sequenceLength, batchSize: settings.batchSize, seed }
    const windows = yield* Effect.forEach(Batches.make(plan).starts(index), (start) =>
      tokens.read(start, sequenceLength)
    )
    return windows.map((window) => window.join()).join()
  })

/** A backend whose loss is not finite at its nth step. */
const poisoned = (bad: number, name = "train-step", value = Number.NaN) => {
  let runs = 0
  return backendOf((session) => ({
    ...session,
    prepare: (program) =>
      Effect.map(session.prepare(program), (prepared) =>
        program.name === name
          ? {
              run: (inputs) =>
                Effect.suspend(() => {
                  runs++
                  if (runs !== bad) return prepared.run(inputs)
                  // What a real fault does: the loss and the norm are not finite, and the update leaves all as it was.
                  return Effect.succeed({
                    "loss.loss": Float32Array.of(value),
                    "gradientNorm.norm": Float32Array.of(value)
                  })
                })
            }
          : prepared
      )
  }))
}

describe("faults", () => {
  it.live("a loss that is not finite stops training with the step and the documents", () =>
    Effect.gen(function* () {
      const at = yield* place
      const heard = listen()
      const error = yield* runTraining(at, settings).pipe(
        Effect.provide(services(heard, { backend: poisoned(6) })),
        Effect.flip
      )
      assert.strictEqual(error._tag, "TrainingStopped")
      assert.include(error.message, "step 6")
      assert.match(error.message, /main\.c|list\.h|tree\.c|notes\.md/)
      assert.strictEqual(ofType(heard, "Fault")[0]?.kind, "loss-not-finite")
    }).pipe(Effect.scoped)
  )

  it.live("the same is skipped when the policy says so", () =>
    Effect.gen(function* () {
      const at = yield* place
      const heard = listen()
      const value = yield* runTraining(at, { ...settings, faults: { notFinite: "skip" } }).pipe(
        Effect.provide(services(heard, { backend: poisoned(6) }))
      )
      assert.strictEqual(value.steps, 24)
      assert.strictEqual(ofType(heard, "Fault").length, 1)
      assert.strictEqual(curveOf(at).find((point) => point.step === 6).loss, null)
    }).pipe(Effect.scoped)
  )

  it.live("or training goes back to the last scheduled checkpoint and on with the data after it", () =>
    Effect.gen(function* () {
      const at = yield* place
      const heard = listen()
      const value = yield* runTraining(at, { ...settings, faults: { notFinite: "rollback" } }).pipe(
        Effect.provide(services(heard, { backend: poisoned(7) }))
      )
      assert.strictEqual(value.steps, 24)
      assert.deepStrictEqual(
        ofType(heard, "Resumed").map((event) => event.step),
        [4]
      )
      const state = JSON.parse(readFileSync(join(at.output, "last", "state.json"), "utf8")).state
      // Step 5 took batch 7 (counted from 0) in place of batch 4.
      assert.strictEqual(state.shift, 3)
      assert.strictEqual(state.faults, 1)
    }).pipe(Effect.scoped)
  )

  it.live("a rollback is the same rollback in a run that was stopped after it", () =>
    Effect.gen(function* () {
      const plain = yield* place
      const stopped = sibling(plain, "stopped")
      const tokens = yield* batchOf(plain, 6)
      // Not finite whenever this one batch is trained on, however often.
      const backend = backendOf((session) => ({
        ...session,
        prepare: (program) =>
          Effect.map(session.prepare(program), (prepared) =>
            program.name === "train-step"
              ? {
                  run: (inputs) =>
                    Effect.suspend(() =>
                      inputs.tokens?.join() === tokens
                        ? Effect.succeed({
                            "loss.loss": Float32Array.of(Number.NaN),
                            "gradientNorm.norm": Float32Array.of(Number.NaN)
                          })
                        : prepared.run(inputs)
                    )
                }
              : prepared
          )
      }))
      yield* runTraining(plain, steady).pipe(Effect.provide(services(listen(), { backend })))
      for (const step of [4, 8, 12]) {
        let faults = 0
        yield* interruptAt(
          stopped,
          steady,
          (event) => {
            if (event.type === "Fault") faults++
            return event.type === "CheckpointSaved" && event.step >= step
          },
          listen(),
          backend
        )
        assert.isAtMost(faults, 1)
      }
      yield* runTraining(stopped, steady).pipe(Effect.provide(services(listen(), { backend })))
      assert.deepStrictEqual(resultOf(stopped), resultOf(plain))
    }).pipe(Effect.scoped)
  )

  it.live("a limit ends skipping", () =>
    Effect.gen(function* () {
      const at = yield* place
      const backend = backendOf((session) => ({
        ...session,
        prepare: (program) =>
          Effect.map(session.prepare(program), (prepared) =>
            program.name === "train-step"
              ? {
                  run: () =>
                    Effect.succeed({
                      "loss.loss": Float32Array.of(Number.POSITIVE_INFINITY),
                      "gradientNorm.norm": Float32Array.of(1)
                    })
                }
              : prepared
          )
      }))
      const error = yield* runTraining(at, { ...settings, faults: { notFinite: "skip", limit: 3 } }).pipe(
        Effect.provide(services(listen(), { backend })),
        Effect.flip
      )
      assert.strictEqual(error._tag, "TrainingStopped")
      assert.include(error.message, "step 4")
    }).pipe(Effect.scoped)
  )

  it.live("a spike is skipped before it reaches the weights", () =>
    Effect.gen(function* () {
      const at = yield* place
      const heard = listen()
      yield* runTraining(at, { ...settings, faults: { spike: "skip", spikeAfter: 5 } }).pipe(
        Effect.provide(services(heard, { backend: poisoned(10, "train-first", 50) }))
      )
      assert.deepStrictEqual(
        ofType(heard, "Fault").map((event) => event.kind),
        ["loss-spike"]
      )
    }).pipe(Effect.scoped)
  )

  it.live("a worker that dies is replaced, and the run ends bit-identical", () =>
    Effect.gen(function* () {
      const plain = yield* place
      yield* undisturbed(plain)
      const hurt = sibling(plain, "hurt")
      const heard = listen()
      let runs = 0
      const backend = backendOf((session) => ({
        ...session,
        prepare: (program) =>
          Effect.map(session.prepare(program), (prepared) => ({
            run: (inputs) =>
              program.name === "train-step" && (++runs === 11 || runs === 19)
                ? Effect.fail(
                    new EngineFailure({ engine: "reference", why: "a worker died", transient: true })
                  )
                : prepared.run(inputs)
          }))
      }))
      yield* runTraining(hurt, settings).pipe(Effect.provide(services(heard, { backend })))
      assert.strictEqual(ofType(heard, "Fault").filter((fault) => fault.kind === "engine").length, 2)
      assert.deepStrictEqual(resultOf(hurt), resultOf(plain))
    }).pipe(Effect.scoped)
  )

  it.live("a worker that always dies ends training after a few restarts", () =>
    Effect.gen(function* () {
      const at = yield* place
      const heard = listen()
      const backend = backendOf((session) => ({
        ...session,
        prepare: (program) =>
          Effect.map(session.prepare(program), () => ({
            run: () =>
              Effect.fail(new EngineFailure({ engine: "reference", why: "a worker died", transient: true }))
          }))
      }))
      const error = yield* runTraining(at, settings).pipe(
        Effect.provide(services(heard, { backend })),
        Effect.flip
      )
      assert.strictEqual(error._tag, "EngineFailure")
      assert.strictEqual(ofType(heard, "Fault").length, 4)
    }).pipe(Effect.scoped)
  )

  it.live("a worker that hangs is noticed", () =>
    Effect.gen(function* () {
      const plain = yield* place
      yield* undisturbed(plain)
      const hurt = sibling(plain, "hurt")
      const heard = listen()
      let runs = 0
      const backend = backendOf((session) => ({
        ...session,
        prepare: (program) =>
          Effect.map(session.prepare(program), (prepared) => ({
            run: (inputs) =>
              program.name === "train-step" && ++runs === 9 ? Effect.never : prepared.run(inputs)
          }))
      }))
      yield* runTraining(hurt, { ...settings, faults: { hangSeconds: 0.2 } }).pipe(
        Effect.provide(services(heard, { backend }))
      )
      assert.include(ofType(heard, "Fault")[0]?.message, "hang")
      assert.deepStrictEqual(resultOf(hurt).slice(0, 3), resultOf(plain).slice(0, 3))
    }).pipe(Effect.scoped)
  )

  it.live("a read error is tried again", () =>
    Effect.gen(function* () {
      const plain = yield* place
      yield* undisturbed(plain)
      const hurt = sibling(plain, "hurt")
      const heard = listen()
      const open = yield* OpenTokens
      let reads = 0
      yield* runTraining(hurt, settings).pipe(
        Effect.provideService(OpenTokens, (file, tokenBytes) =>
          Effect.map(open(file, tokenBytes), (tokens) => ({
            ...tokens,
            read: (start, count) =>
              ++reads === 13
                ? Effect.fail(new TokensUnreadable({ file, why: "EIO", transient: true }))
                : tokens.read(start, count)
          }))
        ),
        Effect.provide(services(heard))
      )
      assert.deepStrictEqual(
        ofType(heard, "Fault").map((event) => event.kind),
        ["read"]
      )
      assert.deepStrictEqual(resultOf(hurt), resultOf(plain))
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
      assert.strictEqual(ofType(heard, "Step").length, 0)
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

describe("refusals", () => {
  const refused = (config: Settings, message: RegExp) =>
    Effect.gen(function* () {
      const at = yield* place
      const error = yield* undisturbed(at, config).pipe(Effect.flip)
      assert.strictEqual(error._tag, "SchemaError")
      assert.match(error.message, message)
    }).pipe(Effect.scoped)

  it.live("heads that do not divide the embedding", () =>
    refused({ ...settings, model: { embedding: 8, layers: 1, heads: 3 } }, /heads 3 does not divide/)
  )
  it.live("epochs and steps at once", () =>
    refused({ ...settings, epochs: 2 }, /epochs \(2\) and steps \(\d+\) are both given/)
  )
  it.live("a final rate above the peak", () =>
    refused({ ...settings, finalLearningRate: 1 }, /finalLearningRate \(1\) is above/)
  )
  it.live("a sequence longer than the corpus", () =>
    Effect.gen(function* () {
      const at = yield* place
      const value = { ...at.dataset.value, sequenceLength: 4096 }
      const error = yield* undisturbed({ ...at, dataset: { ...at.dataset, value } }).pipe(Effect.flip)
      assert.match(error.message, /too few for a sequence length of 4096/)
    }).pipe(Effect.scoped)
  )
})
