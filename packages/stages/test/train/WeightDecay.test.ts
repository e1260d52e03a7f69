import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { decayOf } from "../../src/train/WeightDecay.ts"
import { place, type Settings, settings } from "./laboratory.ts"
import { listen, ofType, undisturbed } from "./trials.ts"

describe("weight decay", () => {
  it("a number and its own time scale are the same decay", () => {
    const number = decayOf(0.5, 0.02, 250)
    assert.deepStrictEqual(number, { weightDecay: 0.5, steps: 100, epochs: 0.4 })
    assert.deepStrictEqual(decayOf({ timescaleEpochs: 0.4 }, 0.02, 250), number)
    assert.strictEqual(decayOf(0, 0.02, 250).steps, Number.POSITIVE_INFINITY)
  })

  it.live("a time scale becomes the number that the run used, and both are shown", () =>
    Effect.gen(function* () {
      // An epoch is 25 windows, 12.5 steps.
      const config: Settings = { ...settings, learningRate: 0.02, weightDecay: { timescaleEpochs: 0.4 } }
      const heard = listen()
      const { learning } = yield* undisturbed(yield* place, config, heard)
      assert.closeTo(learning.weightDecay, 1 / (0.02 * 5), 1e-9)
      const facts = ofType(heard, "Facts")[0]!.facts
      assert.strictEqual(
        facts.find(({ label }) => label === "Weight decay")?.text,
        "10, a time scale of 5 steps or 0.4 epochs"
      )
    }).pipe(Effect.scoped)
  )

  it.live("a time scale below a step is refused in a sentence", () =>
    Effect.gen(function* () {
      const config: Settings = { ...settings, weightDecay: { timescaleEpochs: 0.01 } }
      const error = yield* undisturbed(yield* place, config).pipe(Effect.flip)
      assert.match(error.message, /time scale of 0\.125 steps here \(0\.01 epochs, of 12\.5 steps each\)/)
    }).pipe(Effect.scoped)
  )
})
