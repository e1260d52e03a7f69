import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Batches from "../../src/train/Batches.ts"

const plans = fc.record({
  sequenceLength: fc.integer({ min: 1, max: 20 }),
  batchSize: fc.integer({ min: 1, max: 5 }),
  seed: fc.integer(),
  more: fc.integer({ min: 1, max: 300 })
})
const planOf = ({ more, ...rest }: typeof plans extends fc.Arbitrary<infer A> ? A : never): Batches.Plan => ({
  ...rest,
  tokens: rest.sequenceLength + more
})

/** Window starts of one epoch, whichever batches they fall into. */
const startsOf = (plan: Batches.Plan, epoch: number): ReadonlyArray<number> => {
  const batches = Batches.make(plan)
  const windows = Batches.windowsPerEpoch(plan)
  return Array.from({ length: windows }, (_, index) => {
    const place = epoch * windows + index
    return batches.starts(Math.floor(place / plan.batchSize))[place % plan.batchSize]!
  })
}

describe("Batches", () => {
  it("predicts every token of the split in every epoch, and hardly any twice", () => {
    fc.assert(
      fc.property(plans, fc.integer({ min: 0, max: 3 }), (drawn, epoch) => {
        const plan = planOf(drawn)
        const predicted = new Array<number>(plan.tokens).fill(0)
        for (const start of startsOf(plan, epoch))
          for (let i = 1; i <= plan.sequenceLength; i++) predicted[(start + i) % plan.tokens]!++
        assert.isTrue(predicted.every((times) => times === 1 || times === 2))
        assert.isBelow(predicted.filter((times) => times === 2).length, plan.sequenceLength)
      })
    )
  })

  it("any batch is the same whichever were asked for before it", () => {
    fc.assert(
      fc.property(
        plans,
        fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 8 }),
        fc.nat(200),
        (drawn, before, batch) => {
          const plan = planOf(drawn)
          const used = Batches.make(plan)
          for (const other of before) used.starts(other)
          assert.deepStrictEqual(used.starts(batch), Batches.make(plan).starts(batch))
        }
      )
    )
  })

  it("shuffles and shifts each epoch anew", () => {
    const plan = { tokens: 1000, sequenceLength: 10, batchSize: 4, seed: 3 }
    assert.notDeepEqual(startsOf(plan, 0), startsOf(plan, 1))
    assert.notDeepEqual(
      [...startsOf(plan, 0)].sort((a, b) => a - b),
      [...startsOf(plan, 1)].sort((a, b) => a - b)
    )
    assert.notDeepEqual(startsOf(plan, 0), startsOf({ ...plan, seed: 4 }, 0))
  })

  it("counts the reference job: 288,100 tokens, ten epochs, 1,024 tokens a batch", () => {
    const plan = { tokens: 288_100, sequenceLength: 128, batchSize: 8, seed: 1 }
    assert.strictEqual(Batches.windowsPerEpoch(plan), 2251)
    assert.strictEqual(Batches.batchesIn(plan, 10), 2814)
    assert.closeTo(Batches.epochsAt(plan, 2814), 10, 1e-3)
  })
})
