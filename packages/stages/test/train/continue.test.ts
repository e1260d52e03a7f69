import { appendFileSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  asRun,
  type Place,
  place,
  publishModel,
  resultOf,
  type Settings,
  settings,
  sibling,
  steady
} from "./laboratory.ts"
import { curveOf, evaluations, interruptAt, listen, ofType, undisturbed } from "./trials.ts"

/** A first run, and a place in which to go on with it. */
const ended = Effect.fn("ended")(function* (config: Settings, at?: Place) {
  const first = at ?? (yield* place)
  const value = yield* undisturbed(first, config)
  return { first, value, next: { ...sibling(first, "next"), from: asRun(first, value) } }
})

const notes = (heard: ReturnType<typeof listen>) => ofType(heard, "Note").map((note) => note.message)

describe("going on with a finished run", () => {
  const whole: Settings = { ...settings, model: { ...settings.model, dropout: 0.1 }, steps: 40 }
  const { model: _, ...without } = whole

  it.live("8 steps, then 40, end with the same bits as 40 where the schedule is the same", () =>
    Effect.gen(function* () {
      const plain = yield* place
      yield* undisturbed(plain, { ...whole, emaSteps: 16, calibrate: true })
      const { next, value } = yield* ended(
        { ...whole, emaSteps: 16, calibrate: true, steps: 8, decaySteps: 40 },
        sibling(plain, "first")
      )
      assert.strictEqual(value.steps, 8)
      const heard = listen()
      const result = yield* undisturbed(next, { ...without, emaSteps: 16, calibrate: true }, heard)
      assert.deepStrictEqual(resultOf(next), resultOf(plain))
      const average = (at: Place) => readFileSync(join(at.output, "last", "average.safetensors"))
      assert.isTrue(average(next).equals(average(plain)))
      assert.deepStrictEqual(
        evaluations(heard).map((event) => event.step),
        [16, 24, 32, 40]
      )
      assert.strictEqual(result.steps, 40)
      assert.strictEqual(result.tokensSeen, 40 * 16)
      assert.closeTo(result.epochs, (40 * 2) / 25, 1e-9)
      assert.deepStrictEqual(result.startedFrom, {
        kind: "trained-run",
        cacheKey: "run-in-first-output",
        fromScratch: true,
        step: 8
      })
      assert.deepStrictEqual(notes(heard), [])
    }).pipe(Effect.scoped)
  )

  it.live("says where the learning rate goes on when the schedule is another", () =>
    Effect.gen(function* () {
      const { next } = yield* ended({ ...whole, steps: 20 })
      const heard = listen()
      yield* undisturbed(next, without, heard)
      const rates = curveOf(next).map((point) => [point.step, point.learningRate] as const)
      const at = (step: number) => rates.find(([each]) => each === step)![1]
      assert.isAbove(at(21), 2 * at(20))
      assert.match(
        notes(heard).join(),
        /ended at a learning rate of 0\.001 and goes on at 0\.00\d+.*decaySteps: 40/
      )
    }).pipe(Effect.scoped)
  )

  it.live("a kill in between ends with the same bits as a run that was left alone", () =>
    Effect.gen(function* () {
      const { first, next } = yield* ended({ ...steady, steps: 8, decaySteps: 24 })
      yield* undisturbed(next, steady)
      const stopped = { ...sibling(first, "stopped"), from: next.from }
      yield* interruptAt(stopped, steady, (event) => event.type === "Saved" && event.step === 12)
      const heard = listen()
      yield* undisturbed(stopped, steady, heard)
      assert.isAtLeast(ofType(heard, "Resumed")[0]!.step, 12)
      assert.deepStrictEqual(resultOf(stopped), resultOf(next))
    }).pipe(Effect.scoped)
  )

  it.live("the best state may be one of the run that it continues", () =>
    Effect.gen(function* () {
      const { first, next, value } = yield* ended({ ...settings, steps: 16 })
      const worse = { ...settings, steps: 24, learningRate: 3, minLearningRate: 3 }
      const result = yield* undisturbed(next, worse)
      assert.strictEqual(result.bestStep, value.bestStep)
      assert.strictEqual(result.bestValidationLoss, value.bestValidationLoss)
      const weights = (at: Place) => readFileSync(join(at.output, "best", "parameters.safetensors"))
      assert.isTrue(weights(next).equals(weights(first)))
      // Its loss cannot be published with weights that are not there.
      appendFileSync(join(first.output, "best", "parameters.safetensors"), "x")
      const heard = listen()
      const broken = yield* undisturbed({ ...sibling(first, "broken"), from: next.from }, worse, heard)
      assert.strictEqual(broken.bestStep, 24)
      assert.match(ofType(heard, "Fault")[0]!.message, /best checkpoint, of step \d+, cannot be used/)
    }).pipe(Effect.scoped)
  )

  it.live("a run that ended by patience gets new patience", () =>
    Effect.gen(function* () {
      const impatient = { ...settings, learningRate: 2, minLearningRate: 2, evaluateEvery: 2, patience: 3 }
      const { next, value } = yield* ended({ ...impatient, steps: 400 })
      assert.strictEqual(value.stopped, "patience")
      const result = yield* undisturbed(next, { ...impatient, steps: 400 })
      assert.isAtLeast(result.steps, value.steps + 2)
    }).pipe(Effect.scoped)
  )

  it.live("epochs count those of the run, and another batch size goes on at the same place", () =>
    Effect.gen(function* () {
      const { steps: _, ...epochal } = settings
      const { first, next, value } = yield* ended({ ...epochal, epochs: 1 })
      assert.strictEqual(value.steps, 13)
      assert.strictEqual((yield* undisturbed(next, { ...epochal, epochs: 2 })).steps, 25)
      const other = { ...sibling(first, "other"), from: next.from }
      const result = yield* undisturbed(other, { ...epochal, epochs: 3, batchSize: 5 })
      // 49 windows of 75 are left.
      assert.strictEqual(result.steps, 13 + 10)
      const error = yield* undisturbed(other, { ...epochal, epochs: 1 }).pipe(Effect.flip)
      assert.match(error.message, /gone through 1\.04 epochs, and epochs is 1, those included/)
    }).pipe(Effect.scoped)
  )

  it.live("other data begins at its first batch, and the best is looked for anew", () =>
    Effect.gen(function* () {
      const { next } = yield* ended({ ...settings, steps: 8 })
      const dataset = { ...next.dataset, cacheKey: "other-dataset" }
      const heard = listen()
      const result = yield* undisturbed({ ...next, dataset }, { ...settings, steps: 16 }, heard)
      assert.closeTo(result.epochs, (8 * 2) / 25, 1e-9)
      assert.strictEqual(evaluations(heard)[0]?.best, true)
      assert.match(notes(heard).join(), /not the one that the run to continue was trained on/)
    }).pipe(Effect.scoped)
  )

  it.live("refuses too few steps, other sizes, and a data set of another tokenizer, each in a sentence", () =>
    Effect.gen(function* () {
      const { next } = yield* ended({ ...settings, steps: 8 })
      const refused = Effect.fn(function* (at: Place, config: Settings, message: RegExp) {
        const error = yield* undisturbed(at, config).pipe(Effect.flip)
        assert.match(error.message, message)
      })
      yield* refused(next, { ...settings, steps: 8 }, /has done 8 steps, and steps is 8, those included/)
      yield* refused(
        next,
        { ...settings, model: { embedding: 16, layers: 1, heads: 2 } },
        /embedding 16.*is not that of the run to start from \(embedding 8/
      )
      const dataset = {
        ...next.dataset,
        cacheKey: "other",
        value: { ...next.dataset.value, tokenizer: "other" }
      }
      yield* refused({ ...next, dataset }, settings, /have different tokenizers/)
      const larger = { ...next.dataset, value: { ...next.dataset.value, vocabularySize: 25 } }
      yield* refused({ ...next, dataset: larger }, settings, /vocabulary of 24 and the dataset one of 25/)
      yield* refused(
        next,
        { ...settings, sequenceLength: 16 },
        /sequenceLength is 16, and the run to continue was trained with 8/
      )
      appendFileSync(join(next.from.directory, "last", "parameters.safetensors"), "x")
      yield* refused(next, settings, /is not a whole checkpoint/)
    }).pipe(Effect.scoped)
  )

  it.live("neither a model nor something to start from is refused before anything runs", () =>
    Effect.gen(function* () {
      const error = yield* undisturbed(yield* place, without).pipe(Effect.flip)
      assert.strictEqual(error._tag, "SchemaError")
      assert.match(error.message, /model is missing: give model, such as Gpt.tiny, or start from/)
    }).pipe(Effect.scoped)
  )
})

describe("training a model further", () => {
  it.live("begins with its weights, a new optimizer, and step 1", () =>
    Effect.gen(function* () {
      const at = yield* place
      const model = { ...settings.model, bias: false }
      const { directory, value } = yield* publishModel(at, { ...settings, model })
      const from = { kind: "model" as const, directory, value, cacheKey: "model-of-the-tests" }
      const heard = listen()
      const next = { ...sibling(at, "next"), from }
      const tuning: Settings = { steps: 2, batchSize: 2, learningRate: 1e-9, evaluateEvery: 1, seed: 3 }
      const result = yield* undisturbed(next, tuning, heard)
      assert.deepStrictEqual(result.model, { ...model, dropout: 0 })
      assert.deepStrictEqual(result.startedFrom, {
        kind: "model",
        cacheKey: "model-of-the-tests",
        fromScratch: false,
        step: value.provenance!.step
      })
      // So small a rate changes next to nothing: the loss is that of the model.
      assert.closeTo(evaluations(heard)[0]!.loss!, value.provenance!.validationLoss, 1e-4)
      assert.deepStrictEqual(
        curveOf(next).map((point) => point.step),
        [1, 1, 2, 2]
      )
      yield* undisturbed({ ...next, ...sibling(at, "mean"), from }, { ...tuning, emaSteps: 2 })
    }).pipe(Effect.scoped)
  )

  it.live(
    "keeps as many positions as sequenceLength says, all by default, and refuses more than it has",
    () =>
      Effect.gen(function* () {
        const at = yield* place
        const { directory, value } = yield* publishModel(at)
        const from = { kind: "model" as const, directory, value, cacheKey: "model-of-the-tests" }
        const withLength = (name: string, length: Pick<Settings, "sequenceLength">, heard = listen()) =>
          undisturbed({ ...sibling(at, name), from }, { ...length, steps: 2, batchSize: 2 }, heard)
        assert.strictEqual((yield* withLength("whole", {})).sequenceLength, 8)
        const heard = listen()
        const result = yield* withLength("short", { sequenceLength: 4 }, heard)
        assert.strictEqual(result.sequenceLength, 4)
        assert.match(notes(heard).join(), /has 8 positions and sequenceLength is 4/)
        const error = yield* withLength("long", { sequenceLength: 9 }).pipe(Effect.flip)
        assert.match(error.message, /sequenceLength is 9, and the model to start from has 8 positions/)
      }).pipe(Effect.scoped)
  )
})
