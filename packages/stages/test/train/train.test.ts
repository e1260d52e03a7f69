import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { vi } from "vitest"
import * as CheckpointFolder from "../../src/train/CheckpointFolder.ts"
import { place, resultOf, type Settings, services, settings, sibling, steady } from "./laboratory.ts"
import { curveOf, evaluations, listen, ofType, stepEvents, stepsOf, undisturbed } from "./trials.ts"

describe("train", () => {
  it.live("goes by time that only goes forward: a clock that is set back changes nothing", () =>
    Effect.gen(function* () {
      let wall = Date.now()
      const clock = vi.spyOn(Date, "now").mockImplementation(() => (wall -= 60_000))
      yield* Effect.addFinalizer(() => Effect.sync(() => clock.mockRestore()))
      const heard = listen()
      const checkpointEvery = { seconds: 1e-6 }
      const value = yield* undisturbed(yield* place, { ...settings, checkpointEvery }, heard)
      assert.isAbove(value.seconds, 0)
      const saved = ofType(heard, "Saved")
      assert.isAbove(saved.filter((event) => !event.best && event.step < value.steps).length, 0)
      for (const { seconds } of saved) assert.isAtLeast(seconds, 0)
    }).pipe(Effect.scoped)
  )

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
        evaluations(heard).map((event) => event.step),
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
      assert.strictEqual(stepEvents(heard).at(-1)?.step, 24)
    }).pipe(Effect.scoped)
  )

  it.live("carries the dataset's tokenizer, and refuses one that the tokens were not made with", () =>
    Effect.gen(function* () {
      const at = yield* place
      const value = yield* undisturbed(at, { ...settings, steps: 2 })
      assert.strictEqual(value.tokenizer, at.dataset.value.tokenizer)
      const file = join(at.dataset.directory, "tokenizer.json")
      const text = readFileSync(file, "utf8")
      assert.strictEqual(readFileSync(join(at.output, "tokenizer.json"), "utf8"), text)
      writeFileSync(file, text.replace('"w7"', '"other"'))
      const error = yield* Effect.flip(undisturbed(sibling(at, "second"), { ...settings, steps: 2 }))
      assert.match(error.message, /is not the one that what lies beside it was made with/)
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
        { ...steady, steps: 40, learningRate: 0.5, minLearningRate: 0.5, keepLast: 2, evaluateEvery: 4 },
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
        { ...settings, steps: 400, learningRate: 2, minLearningRate: 2, evaluateEvery: 2, patience: 3 },
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
      yield* undisturbed(parts, { ...config, batchSize: 2, gradientAccumulationSteps: 2 })
      const [a, b] = [curveOf(whole), curveOf(parts)]
      assert.strictEqual(a.length, b.length)
      for (const [index, point] of a.entries()) {
        assert.closeTo(b[index].loss, point.loss, 1e-4)
        assert.closeTo(b[index].gradientNorm, point.gradientNorm, 1e-3)
      }
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
    refused({ ...settings, minLearningRate: 1 }, /minLearningRate \(1\) is above/)
  )
  it.live("a context longer than a split, of which the longest is named", () =>
    Effect.gen(function* () {
      const at = yield* place
      const ofLength = (sequenceLength: number) =>
        undisturbed(
          { ...at, ...sibling(at, `of-${sequenceLength}`) },
          { ...settings, steps: 1, sequenceLength }
        )
      assert.match(
        (yield* Effect.flip(ofLength(42))).message,
        /sequenceLength 42 is too long for the validation split of 42 tokens. Set sequenceLength to 41 or less/
      )
      // The same dataset serves every context length.
      assert.strictEqual((yield* ofLength(41)).sequenceLength, 41)
      assert.strictEqual((yield* ofLength(16)).sequenceLength, 16)
    }).pipe(Effect.scoped)
  )
})
