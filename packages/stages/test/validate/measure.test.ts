import { describe, expect, it } from "@effect/vitest"
import type { Prepared } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import { vi } from "vitest"
import { Ports } from "../../src/model/Programs.ts"
import { Counter } from "../../src/ngrams/kneserNey.ts"
import {
  type Extent,
  type Split,
  sample,
  scoreBaseline,
  scoreModel,
  summarize,
  trainBaseline
} from "../../src/validate/measure.ts"

const end = 0
const documents = [[1, 2, 3, 1, 2, 3, 1, 2, end], [end], [2, 2, 2, 2, 2, 2, end], [3, 1, end]]
const text = documents.flat()
const extents: ReadonlyArray<Extent> = documents.map((tokens, index) => ({
  start: documents.slice(0, index).flat().length,
  tokens: tokens.length,
  bytes: 10 * (tokens.length - 1)
}))
const split: Split = {
  length: text.length,
  read: (start, count) => Effect.succeed(Int32Array.from(text.slice(start, start + count))),
  documents: extents
}

/** A model that is sure of the token after its input: loss 1 where it is that plus 1, 3 elsewhere; and that keeps what it saw. */
const successor = (seen: Array<ReadonlyArray<number>>): Prepared => ({
  run: (inputs) =>
    Effect.sync(() => {
      const tokens = inputs[Ports.tokens]!
      const targets = inputs[Ports.targets]!
      seen.push([...tokens])
      return {
        [Ports.losses]: Float32Array.from(targets, (target, at) =>
          target < 0 ? 0 : target === tokens[at]! + 1 ? 1 : 3
        ),
        [Ports.correct]: Float32Array.from(targets, (target, at) => (target === tokens[at]! + 1 ? 1 : 0))
      }
    })
})

describe("scoring a model", () => {
  it.effect("counts every token once, from its own document and the end token before it", () =>
    Effect.gen(function* () {
      const seen: Array<ReadonlyArray<number>> = []
      const done: Array<number> = []
      const scores = yield* scoreModel(
        successor(seen),
        { batchSize: 2, sequenceLength: 4 },
        end,
        split,
        (windows) => Effect.sync(() => done.push(windows))
      )
      const expected = documents.map((tokens) => {
        const before = [end, ...tokens]
        const hits = tokens.filter((token, at) => token === before[at]! + 1).length
        return { hits, nats: hits + 3 * (tokens.length - hits) }
      })
      expect([...scores.correct]).toEqual(expected.map((each) => each.hits))
      scores.bits.forEach((bits, index) => {
        expect(bits * Math.LN2).toBeCloseTo(expected[index]!.nats, 10)
      })
      // The bits of each token, in its place.
      scores.tokenBits.forEach((bits, index) => {
        expect(bits.length).toBe(documents[index]!.length)
        expect(bits.reduce((sum, each) => sum + each, 0)).toBeCloseTo(scores.bits[index]!, 4)
      })
      expect(seen[0]!.slice(0, 4)).toEqual([end, 1, 2, 3])
      expect(done.at(-1)).toBe(9)
    })
  )

  it.effect("divides bits by the bytes of the documents, as a whole and by parts", () =>
    Effect.gen(function* () {
      const scores = yield* scoreModel(
        successor([]),
        { batchSize: 3, sequenceLength: 8 },
        end,
        split,
        () => Effect.void
      )
      const bits = scores.bits.reduce((sum, each) => sum + each, 0)
      const all = summarize(extents, scores)!
      expect(all.bitsPerByte).toBeCloseTo(bits / 160, 10)
      expect(all.loss).toBeCloseTo((bits * Math.LN2) / 20, 10)
      expect(all.perplexity).toBeCloseTo(Math.exp(all.loss), 10)
      const one = summarize(extents, scores, (index) => index === 3)!
      expect(one.bitsPerByte).toBeCloseTo(scores.bits[3]! / 20, 10)
      // The empty document has no bytes to divide by.
      expect(summarize(extents, scores, (index) => index === 1)).toBeNull()
    })
  )
})

describe("a sample of the validation split", () => {
  it("is whole documents in their order, the same for the same seed, and all when there are few", () => {
    expect(sample(split, 20, 1)).toBe(split)
    const part = sample(split, 5, 1)
    expect(part).toEqual(sample(split, 5, 1))
    expect(part.documents.length).toBeLessThan(4)
    expect(part.documents.reduce((sum, each) => sum + each.tokens, 0)).toBeGreaterThanOrEqual(5)
    expect(extents.filter((each) => part.documents.includes(each))).toEqual(part.documents)
    const drawn = Array.from({ length: 20 }, (_, seed) => sample(split, 1, seed).documents[0]!.start)
    expect(new Set(drawn).size).toBeGreaterThan(1)
  })
})

describe("scoring a baseline", () => {
  it.effect("says in a sentence that its counts do not fit into memory, and what to leave out", () =>
    Effect.gen(function* () {
      const full = vi.spyOn(Counter.prototype, "add").mockImplementation(() => {
        throw new RangeError("Array buffer allocation failed")
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => full.mockRestore()))
      const error = yield* Effect.flip(trainBaseline(5, 4, split))
      expect(error._tag).toBe("ValidationImpossible")
      expect(error.message).toMatch(
        /baseline of order 5 over 20 training tokens .* Leave the order out of baselines/
      )
    })
  )

  it.effect("learns from the training documents: a longer context predicts their like better", () =>
    Effect.gen(function* () {
      const score = (order: number) =>
        trainBaseline(order, 4, split).pipe(
          Effect.flatMap((model) => scoreBaseline(model, [split])),
          Effect.map(([scores]) => summarize(extents, scores!)!)
        )
      const unigram = yield* score(1)
      const bigram = yield* score(2)
      expect(bigram.bitsPerByte).toBeLessThan(unigram.bitsPerByte)
      expect(unigram.bitsPerByte).toBeLessThan((20 * 2) / 160 + 0.01)
    })
  )
})
