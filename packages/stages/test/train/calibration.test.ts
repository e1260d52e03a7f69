/** A temperature fitted while training: that it helps, that it is published, and that a stopped run finds the same. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { names } from "../../src/model/gpt/parameters.ts"
import { decode } from "../../src/tensors/Safetensors.ts"
import {
  type Heard,
  type Place,
  place,
  publishModel,
  resultOf,
  runTraining,
  type Settings,
  services,
  sibling,
  steady
} from "./laboratory.ts"
import { interruptAt } from "./trials.ts"

// So many steps over four documents that the model is too sure elsewhere.
const config = {
  ...steady,
  steps: 120,
  learningRate: 0.05,
  emaSteps: 6,
  calibrate: true
} satisfies Settings

const trained = (at: Place, settings: Settings, heard: Heard = { events: [] }) =>
  runTraining(at, settings).pipe(Effect.provide(services(heard)))

const gainOf = (file: string) =>
  Effect.map(
    decode(readFileSync(file), file),
    ({ tensors }) => tensors.get(`${names.finalNorm}.weight`)!.values
  )

describe("calibrate", () => {
  it.live("lowers the validation loss, and training does not see it", () =>
    Effect.gen(function* () {
      const at = yield* place
      const plain = sibling(at, "plain")
      const value = yield* trained(at, config)
      const without = yield* trained(plain, { ...config, calibrate: false })
      assert.isAbove(value.temperature.last, 1.04)
      assert.strictEqual(without.temperature.last, 1)
      assert.isBelow(value.lastValidationLoss, without.lastValidationLoss)
      const weights = "last/parameters.safetensors"
      assert.deepStrictEqual(
        readFileSync(join(at.output, weights)),
        readFileSync(join(plain.output, weights))
      )
    }).pipe(Effect.scoped)
  )

  it.live("is published within the final norm", () =>
    Effect.gen(function* () {
      const at = yield* place
      const { directory, run, value } = yield* publishModel(at, config)
      assert.isAtMost(value.logitDifference!, 1e-6)
      assert.notStrictEqual(run.temperature.best, 1)
      const own = yield* gainOf(join(at.output, "best", "average.safetensors"))
      const published = yield* gainOf(join(directory, "model.safetensors"))
      for (const [index, gain] of own.entries())
        assert.closeTo(published[index]!, gain / run.temperature.best, 1e-6)
    }).pipe(Effect.scoped)
  )

  it.live("goes on bit-identical after an interruption", () =>
    Effect.gen(function* () {
      const plain = yield* place
      const value = yield* trained(plain, config)
      for (const step of [4, 20]) {
        const stopped = sibling(plain, `stopped-${step}`)
        yield* interruptAt(stopped, config, (event) => event.type === "Saved" && event.step >= step)
        const again = yield* trained(stopped, config)
        assert.deepStrictEqual(again.temperature, value.temperature)
        assert.deepStrictEqual(resultOf(stopped), resultOf(plain))
      }
    }).pipe(Effect.scoped)
  )
})
