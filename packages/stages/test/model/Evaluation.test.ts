import { assert, describe, it } from "@effect/vitest"
import type { Inputs, Prepared } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import * as fc from "fast-check"
import { measure, measuredTokens, rowsOf, spread } from "../../src/model/Evaluation.ts"
import { Ports } from "../../src/model/Ports.ts"
import { scoreModel } from "../../src/validate/measure.ts"

/** Documents of these lengths, end tokens (0) included, as one split. */
const splitOf = (lengths: ReadonlyArray<number>) => {
  const starts = Float64Array.from(lengths, (_, index) => lengths.slice(0, index).reduce((a, b) => a + b, 0))
  const tokens = lengths.flatMap((length, document) =>
    Array.from({ length }, (_, at) => (at === length - 1 ? 0 : 1 + ((document * 7 + at * 3) % 11)))
  )
  const read = (from: number, count: number) =>
    Effect.succeed(Int32Array.from({ length: count }, (_, index) => tokens[(from + index) % tokens.length]!))
  return { starts, tokens, read }
}

/** A stand-in for a model whose loss depends on the whole window before a token. */
const program = (sequenceLength: number): Prepared => ({
  run: (inputs: Inputs) =>
    Effect.sync(() => {
      const tokens = inputs[Ports.tokens]!
      const targets = inputs[Ports.targets]!
      let state = 0
      const losses = Float32Array.from(targets, (target, at) => {
        state = at % sequenceLength === 0 ? tokens[at]! : (state * 5 + tokens[at]!) % 101
        return target < 0 ? 0 : (state % 7) + target / 8
      })
      return { [Ports.losses]: losses, [Ports.correct]: losses.map((loss) => (loss > 3 ? 1 : 0)) }
    })
})

const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 })

describe("evaluation while training", () => {
  it("measures what validate measures, on the same tokens", async () => {
    await fc.assert(
      fc.asyncProperty(
        lengths,
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 4 }),
        async (lengths, sequenceLength, batchSize) => {
          const { read, starts, tokens } = splitOf(lengths)
          const shape = { batchSize, sequenceLength }
          const rows = rowsOf(starts, tokens.length, sequenceLength)
          const own = await Effect.runPromise(
            measure(program(sequenceLength), shape, rows, tokens.length, read)
          )
          const documents = lengths.map((length, index) => ({
            start: starts[index]!,
            tokens: length,
            bytes: length
          }))
          const scores = await Effect.runPromise(
            scoreModel(
              program(sequenceLength),
              shape,
              0,
              { length: tokens.length, read, documents },
              () => Effect.void
            )
          )
          assert.strictEqual(own.count, tokens.length)
          const bits = scores.bits.reduce((sum, each) => sum + each, 0)
          assert.closeTo(own.loss, bits * Math.LN2, 1e-6 * (1 + own.loss))
          assert.strictEqual(
            own.correct,
            scores.correct.reduce((sum, each) => sum + each, 0)
          )
        }
      )
    )
  })

  it("measures about as many tokens as asked for, from documents all over the split", () => {
    fc.assert(
      fc.property(
        lengths,
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 300 }),
        (lengths, length, limit) => {
          const { starts, tokens } = splitOf(lengths)
          const all = rowsOf(starts, tokens.length, length)
          const some = spread(all, limit)
          assert.isAtLeast(some.length, 1)
          assert.isAtMost(Math.abs(measuredTokens(some) - Math.min(limit, tokens.length)), length)
        }
      )
    )
    const { starts, tokens } = splitOf(Array.from({ length: 50 }, () => 20))
    const some = spread(rowsOf(starts, tokens.length, 20), 100)
    assert.strictEqual(some.length, 5)
    assert.isAbove(some.at(-1)!.target, 700)
    assert.isBelow(some[0]!.target, 300)
  })
})
