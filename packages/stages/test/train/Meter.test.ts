import { assert, describe, it } from "@effect/vitest"
import * as Meter from "../../src/train/Meter.ts"

const tick = (step: number, now: number, milliseconds: number, loss = 1): Meter.Tick => ({
  step,
  epoch: step / 100,
  loss,
  learningRate: 0.1,
  gradientNorm: 1,
  milliseconds,
  now
})

const make = () =>
  Meter.make({ steps: 100, tokensPerStep: 1000, evaluationsAfter: () => 2, evaluationInSteps: 5 })

describe("Meter", () => {
  it("speaks a few times a second at most, and always at the end", () => {
    const meter = make()
    const spoken = Array.from({ length: 100 }, (_, index) =>
      meter.tick(tick(index + 1, index * 10, 10))
    ).filter((event) => event !== undefined)
    assert.deepStrictEqual(
      spoken.map((event) => event.step),
      [1, 31, 61, 91, 100]
    )
  })

  it("gives the mean loss of the steps since it last spoke, and null when that is not finite", () => {
    const meter = make()
    meter.tick(tick(1, 0, 10, 9))
    meter.tick(tick(2, 100, 10, 2))
    assert.strictEqual(meter.tick(tick(3, 400, 10, 4))?.loss, 3)
    assert.isNull(meter.tick(tick(4, 800, 10, Number.NaN))?.loss)
  })

  it("reckons the time left without the slow first steps and with the evaluations to come", () => {
    const meter = make()
    for (let step = 1; step <= 3; step++) meter.tick(tick(step, step, 5000))
    meter.tick(tick(4, 10_000, 20))
    const guessed = meter.tick(tick(50, 20_000, 20))
    // 50 steps of 20 ms, and two evaluations that cost five steps each.
    assert.closeTo(guessed!.secondsLeft, 1 + 0.2, 1e-9)
    assert.strictEqual(guessed!.tokensPerSecond, 50_000)
    meter.evaluated(3000)
    const timed = meter.tick(tick(51, 30_000, 20))
    assert.closeTo(timed!.secondsLeft, 0.98 + 6, 1e-9)
  })
})
