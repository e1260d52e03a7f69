import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { History } from "../../src/generate/History.ts"
import { logProbabilities } from "../../src/generate/logProbabilities.ts"
import { distribution, pick } from "../../src/generate/Sampling.ts"

const logits = fc
  .array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 30 })
  .map((values) => Float32Array.from(values))
const uniform = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })

describe("pick", () => {
  it("takes the most likely token at temperature 0", () => {
    fc.assert(
      fc.property(logits, uniform, (values, draw) => {
        const id = pick(values, { temperature: 0 }, draw)
        assert.isTrue(values.every((value) => value <= values[id]!))
      })
    )
  })

  it("draws only from the most likely k", () => {
    fc.assert(
      fc.property(logits, uniform, fc.integer({ min: 1, max: 5 }), (values, draw, topK) => {
        const id = pick(values, { temperature: 1, topK }, draw)
        assert.isBelow(values.filter((value) => value > values[id]!).length, topK)
      })
    )
  })

  it("draws every one of the most likely k, and those as likely as the last of them", () => {
    fc.assert(
      fc.property(logits, fc.integer({ min: 1, max: 30 }), (values, topK) => {
        const least = Float32Array.from(values).sort().at(-topK) ?? Number.NEGATIVE_INFINITY
        const drawn = new Set<number>()
        // So hot that all are about as likely as each other.
        for (let i = 0; i < 300; i++) drawn.add(pick(values, { temperature: 1e6, topK }, (i + 0.5) / 300))
        assert.deepStrictEqual(
          [...drawn].sort((a, b) => a - b),
          [...values.keys()].filter((id) => values[id]! >= least)
        )
      })
    )
  })

  it("draws each token as often as the softmax says", () => {
    const values = Float32Array.of(0, Math.log(2), Math.log(5))
    const counts = [0, 0, 0]
    for (let i = 0; i < 8000; i++) counts[pick(values, { temperature: 1 }, (i + 0.5) / 8000)]!++
    assert.deepStrictEqual(counts, [1000, 2000, 5000])
  })

  it("is surer when colder", () => {
    const values = Float32Array.of(0, 1)
    const share = (temperature: number) => {
      let second = 0
      for (let i = 0; i < 1000; i++) second += pick(values, { temperature }, (i + 0.5) / 1000)
      return second
    }
    assert.isAbove(share(0.3), share(1))
    assert.isAbove(share(1), share(3))
  })
})

const history = fc.array(fc.integer({ min: 0, max: 29 }), { maxLength: 10 }).map((ids) => new History(ids))
const sampling = fc.record({
  temperature: fc.oneof(fc.constant(0), fc.double({ min: 0.01, max: 3, noNaN: true })),
  topK: fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined }),
  topP: fc.option(fc.double({ min: 0.01, max: 1, noNaN: true }), { nil: undefined }),
  minP: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
  repetitionPenalty: fc.option(fc.double({ min: 0.5, max: 3, noNaN: true }), { nil: undefined }),
  dryMultiplier: fc.option(fc.double({ min: 0, max: 3, noNaN: true }), { nil: undefined }),
  dryAllowedLength: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined })
})
const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0)
const kept = (probabilities: Float64Array) => [...probabilities.keys()].filter((id) => probabilities[id]! > 0)

describe("distribution", () => {
  it("sums to 1 under any settings, and the most likely token stays so", () => {
    fc.assert(
      fc.property(logits, sampling, history, (values, settings, history) => {
        const probabilities = distribution(values, settings, history)
        assert.closeTo(sum(probabilities), 1, 1e-9)
        assert.isTrue(probabilities.every((probability) => probability >= 0 && probability <= 1))
        const best = distribution(values, { ...settings, temperature: 0 }, history).indexOf(1)
        assert.strictEqual(Math.max(...probabilities), Math.max(...probabilities.slice(0, best + 1)))
      })
    )
  })

  it("is what pick draws from", () => {
    fc.assert(
      fc.property(logits, sampling, history, uniform, (values, settings, history, draw) => {
        const probabilities = distribution(values, settings, history)
        const id = pick(values, settings, draw, history)
        assert.isAbove(probabilities[id]!, 0)
        const before = sum(probabilities.slice(0, id))
        assert.isAtMost(before, draw + 1e-9)
        assert.isAtLeast(before + probabilities[id]!, draw - 1e-9)
      })
    )
  })

  it("DRY takes multiplier times base to the power of the repeated tokens beyond those allowed", () => {
    const values = Float32Array.of(0, 0, 0)
    // After "0 1 2 0 1", 2 would repeat two tokens; 0 and 1 none.
    const history = new History([0, 1, 2, 0, 1])
    const penaltyOf = (settings: object) => {
      const [first, , third] = distribution(values, { temperature: 1, ...settings }, history)
      return Math.log(first! / third!)
    }
    const dry = { dryMultiplier: 0.8, dryBase: 2 }
    assert.closeTo(penaltyOf({ ...dry, dryAllowedLength: 1 }), 1.6, 1e-12)
    assert.closeTo(penaltyOf({ ...dry, dryAllowedLength: 2 }), 0.8, 1e-12)
    assert.strictEqual(penaltyOf({ ...dry, dryAllowedLength: 3 }), 0)
    assert.closeTo(penaltyOf({ dryMultiplier: 3 }), 3, 1e-12)
    assert.strictEqual(penaltyOf({}), 0)
    assert.strictEqual(pick(values, { temperature: 0, dryMultiplier: 1 }, 0, history), 0)
    assert.strictEqual(pick(Float32Array.of(0, 0, 1), { temperature: 0, dryMultiplier: 2 }, 0, history), 0)
    const often = new History(Array.from({ length: 3000 }, () => 1))
    assert.strictEqual(distribution(values, { temperature: 1, dryMultiplier: 1 }, often)[1], 0)
  })

  it("top-p keeps the smallest set that is probable enough", () => {
    const p = fc.double({ min: 0.01, max: 0.99, noNaN: true })
    fc.assert(
      fc.property(logits, p, (values, topP) => {
        const all = distribution(values, { temperature: 1 })
        const ids = kept(distribution(values, { temperature: 1, topP }))
        const inSet = ids.map((id) => all[id]!)
        assert.isAtLeast(sum(inSet), topP - 1e-9)
        // Without its least likely token it would be too small, and no token outside is likelier than one inside.
        assert.isBelow(sum(inSet) - Math.min(...inSet), topP + 1e-9)
        const outside = [...all.keys()].filter((id) => !ids.includes(id))
        for (const id of outside) assert.isAtMost(all[id]!, Math.min(...inSet))
      })
    )
  })

  it("min-p keeps exactly the tokens with that share of the largest probability", () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(logits, share, (values, minP) => {
        const all = distribution(values, { temperature: 1 })
        const ids = new Set(kept(distribution(values, { temperature: 1, minP })))
        const bound = minP * Math.max(...all)
        for (const [id, probability] of all.entries())
          if (Math.abs(probability - bound) > 1e-12) assert.strictEqual(ids.has(id), probability > bound)
      })
    )
  })

  it("the repetition penalty divides positive logits and multiplies negative ones, once for each token", () => {
    const probabilities = distribution(
      Float32Array.of(2, -2, 2, -2),
      { temperature: 1, repetitionPenalty: 2 },
      new History([0, 1, 1, 0])
    )
    const expected = distribution(Float32Array.of(1, -4, 2, -2), { temperature: 1 })
    assert.deepStrictEqual(probabilities, expected)
  })
})

describe("logProbabilities", () => {
  it("are the logarithms of the softmax, and the alternatives the most likely tokens in order", () => {
    fc.assert(
      fc.property(logits, fc.integer({ min: 0, max: 8 }), (values, count) => {
        const all = distribution(values, { temperature: 1 })
        const id = values.length - 1
        const { alternatives, logProbability } = logProbabilities(values, id, count)
        assert.closeTo(Math.exp(logProbability), all[id]!, 1e-9)
        const order = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b)
        assert.deepStrictEqual(
          alternatives.map((alternative) => alternative.id),
          order.slice(0, count)
        )
        for (const alternative of alternatives)
          assert.closeTo(Math.exp(alternative.logProbability), all[alternative.id]!, 1e-9)
      })
    )
  })
})
