import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { EngineFailure, type Inputs, type Prepared } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import { OpenTokens, TokensUnreadable } from "../../src/dataset/Tokens.ts"
import * as Batches from "../../src/train/Batches.ts"
import {
  asRun,
  backendOf,
  type Heard,
  type Place,
  place,
  resultOf,
  runTraining,
  sequenceLength,
  services,
  settings,
  sibling,
  steady
} from "./laboratory.ts"
import { curveOf, interruptAt, listen, ofType, undisturbed } from "./trials.ts"

/** The tokens of a batch of the undisturbed run, as one text. */
const batchOf = (at: Place, index: number) =>
  Effect.gen(function* () {
    const { dataset } = at
    const open = yield* OpenTokens
    const tokens = yield* open(join(dataset.directory, "train.bin"), 2)
    const { seed } = settings
    const plan = { tokens: tokens.length, sequenceLength, batchSize: settings.batchSize, seed }
    const windows = yield* Effect.forEach(Batches.make(plan).rows(index).flat(), ({ length, target }) =>
      tokens.read((target - 1 + tokens.length) % tokens.length, length)
    )
    return windows.map((window) => window.join()).join()
  })

/** A backend in which some runs of a program bring something else: `instead` is told which run it is, 1 being the first. */
const tampered = (
  instead: (run: number, inputs: Inputs) => ReturnType<Prepared["run"]> | undefined,
  name = "train-step"
) => {
  let runs = 0
  return backendOf((session) => ({
    ...session,
    prepare: (program) =>
      Effect.map(session.prepare(program), (prepared) =>
        program.name === name
          ? { run: (inputs) => Effect.suspend(() => instead(++runs, inputs) ?? prepared.run(inputs)) }
          : prepared
      )
  }))
}

/** What a step with a real fault brings: the loss and the norm are not finite, and the update leaves all as it was. */
const broken = (value = Number.NaN) =>
  Effect.succeed({ "loss.loss": Float32Array.of(value), "gradientNorm.norm": Float32Array.of(value) })

/** A backend whose loss is not finite at its nth step. */
const poisoned = (bad: number, name = "train-step", value = Number.NaN) =>
  tampered((run) => (run === bad ? broken(value) : undefined), name)

const died = Effect.fail(new EngineFailure({ engine: "reference", why: "a worker died", transient: true }))

/** Training left alone, and training on the same dataset as `disturbed` has it: what both made, and the faults of the latter. */
const bothWays = Effect.fnUntraced(function* <E, R>(
  disturbed: (at: Place, heard: Heard) => Effect.Effect<unknown, E, R>
) {
  const alone = yield* place
  yield* undisturbed(alone)
  const hurt = sibling(alone, "hurt")
  const heard = listen()
  yield* disturbed(hurt, heard)
  return { faults: ofType(heard, "Fault"), alone: resultOf(alone), hurt: resultOf(hurt) }
})

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

  for (const faults of [{ notFinite: "rollback" }, { spike: "rollback", spikeAfter: 4 }] as const)
    it.live(
      `checkpoints by time alone: a rollback goes to the last evaluation (${JSON.stringify(faults)})`,
      () =>
        Effect.gen(function* () {
          const at = yield* place
          const heard = listen()
          const backend = poisoned(11, "train-step", "spike" in faults ? 1e6 : Number.NaN)
          const byTime = { ...settings, checkpointEvery: { seconds: 3600 }, faults }
          const value = yield* runTraining(at, byTime).pipe(Effect.provide(services(heard, { backend })))
          assert.strictEqual(value.steps, 24)
          assert.deepStrictEqual(
            ofType(heard, "Resumed").map((event) => event.step),
            [8]
          )
          assert.deepStrictEqual(
            ofType(heard, "Note").map((note) => note.message),
            []
          )
        }).pipe(Effect.scoped)
    )

  it.live("a rollback before the first scheduled checkpoint says that training begins again", () =>
    Effect.gen(function* () {
      const at = yield* place
      const first = yield* undisturbed(at, { ...steady, steps: 6, decaySteps: 24 })
      const next = { ...sibling(at, "next"), from: asRun(at, first) }
      const heard = listen()
      const byTime = { ...settings, checkpointEvery: { seconds: 3600 }, faults: steady.faults }
      const value = yield* runTraining(next, byTime).pipe(
        Effect.provide(services(heard, { backend: poisoned(2) }))
      )
      assert.strictEqual(value.steps, 24)
      assert.deepStrictEqual(
        curveOf(next)
          .filter((point) => point.validationLoss === undefined)
          .map((point) => point.step),
        Array.from({ length: 24 }, (_, index) => index + 1)
      )
      assert.match(ofType(heard, "Note")[0]!.message, /no checkpoint to roll back to yet.*again at step 6/)
    }).pipe(Effect.scoped)
  )

  it.live("a rollback is the same rollback in a run that was stopped after it", () =>
    Effect.gen(function* () {
      const plain = yield* place
      const stopped = sibling(plain, "stopped")
      const tokens = yield* batchOf(plain, 6)
      // Not finite whenever this one batch is trained on, however often.
      const backend = tampered((_, inputs) => (inputs.tokens?.join() === tokens ? broken() : undefined))
      yield* runTraining(plain, steady).pipe(Effect.provide(services(listen(), { backend })))
      for (const step of [4, 8, 12]) {
        let faults = 0
        yield* interruptAt(
          stopped,
          steady,
          (event) => {
            if (event.type === "Fault") faults++
            return event.type === "Saved" && event.step >= step
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
      const backend = tampered(() => broken(Number.POSITIVE_INFINITY))
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
      const backend = tampered((run) => (run === 11 || run === 19 ? died : undefined))
      const { alone, faults, hurt } = yield* bothWays((at, heard) =>
        runTraining(at, settings).pipe(Effect.provide(services(heard, { backend })))
      )
      assert.strictEqual(faults.filter(({ kind }) => kind === "engine").length, 2)
      assert.deepStrictEqual(hurt, alone)
    }).pipe(Effect.scoped)
  )

  it.live("a worker that always dies ends training after a few restarts", () =>
    Effect.gen(function* () {
      const at = yield* place
      const heard = listen()
      const error = yield* runTraining(at, settings).pipe(
        Effect.provide(services(heard, { backend: tampered(() => died) })),
        Effect.flip
      )
      assert.strictEqual(error._tag, "EngineFailure")
      assert.strictEqual(ofType(heard, "Fault").length, 4)
    }).pipe(Effect.scoped)
  )

  it.live("a worker that hangs is noticed", () =>
    Effect.gen(function* () {
      const backend = tampered((run) => (run === 9 ? Effect.never : undefined))
      const { alone, faults, hurt } = yield* bothWays((at, heard) =>
        runTraining(at, { ...settings, faults: { hangSeconds: 0.2 } }).pipe(
          Effect.provide(services(heard, { backend }))
        )
      )
      assert.include(faults[0]?.message, "hang")
      assert.deepStrictEqual(hurt.slice(0, 3), alone.slice(0, 3))
    }).pipe(Effect.scoped)
  )

  it.live("a read error is tried again", () =>
    Effect.gen(function* () {
      const open = yield* OpenTokens
      let reads = 0
      const { alone, faults, hurt } = yield* bothWays((at, heard) =>
        runTraining(at, settings).pipe(
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
      )
      assert.deepStrictEqual(
        faults.map(({ kind }) => kind),
        ["read"]
      )
      assert.deepStrictEqual(hurt, alone)
    }).pipe(Effect.scoped)
  )
})
