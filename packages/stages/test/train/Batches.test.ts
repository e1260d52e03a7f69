import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Batches from "../../src/train/Batches.ts"
import type { Rows } from "../../src/train/Packing.ts"

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

/** Rows of one epoch, whichever batches they fall into. */
const rowsOf = (plan: Batches.Plan, epoch: number): Rows => {
  const batches = Batches.make(plan)
  const first = Array.from({ length: epoch }, (_, before) => sizeOf(plan, before)).reduce((a, b) => a + b, 0)
  return Array.from({ length: sizeOf(plan, epoch) }, (_, index) => {
    const place = first + index
    return batches.rows(Math.floor(place / plan.batchSize))[place % plan.batchSize]!
  })
}

/** Rows of an epoch: as many as batches of one row until the epoch is over. */
const sizeOf = (plan: Batches.Plan, epoch: number): number => {
  const single = Batches.make({ ...plan, batchSize: 1 })
  return single.batchesIn(epoch + 1) - single.batchesIn(epoch)
}

/** First targets of one epoch's windows. */
const targetsOf = (plan: Batches.Plan, epoch: number) => rowsOf(plan, epoch).map(([piece]) => piece!.target)

/** How often each token of the split is predicted in an epoch. */
const predictions = (plan: Batches.Plan, epoch: number): ReadonlyArray<number> => {
  const predicted = new Array<number>(plan.tokens).fill(0)
  for (const { length, target } of rowsOf(plan, epoch).flat())
    for (let i = 0; i < length; i++) predicted[(target + i) % plan.tokens]!++
  return predicted
}

describe("Batches", () => {
  it("divides the batches of one order among replicas, each once, with as many epochs", () => {
    fc.assert(
      fc.property(plans, fc.integer({ min: 1, max: 4 }), (drawn, of) => {
        const plan = planOf(drawn)
        const whole = Batches.make(plan)
        const shards = Array.from({ length: of }, (_, index) =>
          Batches.make({ ...plan, shard: { index, of } })
        )
        for (let batch = 0; batch < 12; batch++)
          assert.deepStrictEqual(shards[batch % of]!.rows(Math.floor(batch / of)), whole.rows(batch))
        assert.strictEqual(shards[0]!.epochsAt(3), whole.epochsAt(3 * of))
        assert.strictEqual(shards[0]!.batchesIn(2), Math.ceil(whole.batchesIn(2) / of))
      })
    )
  })

  it("predicts every token of the split in every epoch, and hardly any twice", () => {
    fc.assert(
      fc.property(plans, fc.integer({ min: 0, max: 3 }), (drawn, epoch) => {
        const plan = planOf(drawn)
        const predicted = predictions(plan, epoch)
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
          for (const other of before) used.rows(other)
          assert.deepStrictEqual(used.rows(batch), Batches.make(plan).rows(batch))
        }
      )
    )
  })

  it("shuffles and shifts each epoch anew", () => {
    const plan = { tokens: 1000, sequenceLength: 10, batchSize: 4, seed: 3 }
    assert.notDeepEqual(targetsOf(plan, 0), targetsOf(plan, 1))
    assert.notDeepEqual(
      [...targetsOf(plan, 0)].sort((a, b) => a - b),
      [...targetsOf(plan, 1)].sort((a, b) => a - b)
    )
    assert.notDeepEqual(targetsOf(plan, 0), targetsOf({ ...plan, seed: 4 }, 0))
  })

  it("counts the reference job: 288,100 tokens, ten epochs, 1,024 tokens a batch", () => {
    const plan = { tokens: 288_100, sequenceLength: 128, batchSize: 8, seed: 1 }
    const batches = Batches.make(plan)
    assert.strictEqual(batches.rowsPerEpoch, 2251)
    assert.strictEqual(batches.batchesIn(10), 2814)
    assert.closeTo(batches.epochsAt(2814), 10, 1e-3)
  })
})

describe("rows of whole documents", () => {
  const documentPlans = fc
    .record({
      lengths: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }),
      sequenceLength: fc.integer({ min: 1, max: 20 }),
      batchSize: fc.integer({ min: 1, max: 5 }),
      seed: fc.integer()
    })
    .map(({ lengths, ...rest }): Batches.Plan => {
      const ends = lengths.map((_, index) => lengths.slice(0, index + 1).reduce((a, b) => a + b, 0))
      return { ...rest, tokens: ends.at(-1)!, documents: Float64Array.from([0, ...ends.slice(0, -1)]) }
    })

  it("predict every token once an epoch, a document that fits in one piece, and no row is overfull", () => {
    fc.assert(
      fc.property(documentPlans, fc.integer({ min: 0, max: 3 }), (plan, epoch) => {
        assert.isTrue(predictions(plan, epoch).every((times) => times === 1))
        const rows = rowsOf(plan, epoch)
        const firsts = new Set(rows.flat().map(({ target }) => target))
        for (const [index, start] of plan.documents!.entries()) {
          const end = plan.documents![index + 1] ?? plan.tokens
          assert.isTrue(firsts.has(start))
          if (end - start > plan.sequenceLength) continue
          for (let inside = start + 1; inside < end; inside++) assert.isFalse(firsts.has(inside))
        }
        for (const row of rows)
          assert.isAtMost(
            row.reduce((sum, { length }) => sum + length, 0),
            plan.sequenceLength
          )
      })
    )
  })

  it("any batch is the same whichever were asked for before it, and epochs count its rows", () => {
    fc.assert(
      fc.property(
        documentPlans,
        fc.array(fc.nat(60), { maxLength: 6 }),
        fc.nat(60),
        (plan, before, batch) => {
          const used = Batches.make(plan)
          for (const other of before) used.rows(other)
          assert.deepStrictEqual(used.rows(batch), Batches.make(plan).rows(batch))
          const epochs = used.epochsAt(batch)
          assert.isAtLeast(used.batchesIn(epochs), batch - 1)
          assert.isAtMost(used.batchesIn(epochs), batch + 1)
        }
      )
    )
  })

  it("leave little padding, and cut long documents elsewhere in each epoch", () => {
    const lengths = Array.from({ length: 200 }, (_, index) => 5 + ((index * 37) % 151))
    const ends = lengths.map((_, index) => lengths.slice(0, index + 1).reduce((a, b) => a + b, 0))
    const documents = Float64Array.from([0, ...ends.slice(0, -1)])
    const tokens = ends.at(-1)!
    const plan = { tokens, sequenceLength: 64, batchSize: 4, seed: 3, documents }
    for (const epoch of [0, 1]) assert.isBelow(rowsOf(plan, epoch).length * 64, 1.05 * tokens)
    const cuts = (epoch: number) =>
      rowsOf(plan, epoch)
        .flat()
        .map(({ target }) => target)
        .filter((target) => !documents.includes(target))
        .sort((a, b) => a - b)
    assert.isAbove(cuts(0).length, 50)
    assert.notDeepEqual(cuts(0), cuts(1))
  })
})
