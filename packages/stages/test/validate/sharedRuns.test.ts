import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { emptyScores, type Split } from "../../src/validate/measure.ts"
import { sharedDocuments, sharedFigures } from "../../src/validate/sharedRuns.ts"

const splitOf = (documents: ReadonlyArray<ReadonlyArray<number>>): Split => {
  const text = documents.flat()
  return {
    length: text.length,
    read: (start, count) => Effect.succeed(Int32Array.from(text.slice(start, start + count))),
    documents: documents.map((tokens, index) => ({
      start: documents.slice(0, index).flat().length,
      tokens: tokens.length,
      bytes: tokens.length
    }))
  }
}

/** Tokens that no other seed gives. */
const tokens = (seed: number, count: number) => Array.from({ length: count }, (_, at) => 1000 * seed + at)

it.effect("documents with 50 tokens in a row of the training text are told apart", () =>
  Effect.gen(function* () {
    const copied = tokens(1, 60)
    const train = splitOf([[7, 7, 7], [...tokens(2, 40), ...copied, ...tokens(3, 30)], tokens(4, 200)])
    const test = splitOf([
      [...tokens(5, 20), ...copied.slice(5, 55), ...tokens(6, 20)],
      [...tokens(7, 20), ...copied.slice(5, 54), ...tokens(8, 20)],
      // Both halves are there, and not in a row: the end of one document, and the beginning of the next.
      [...tokens(3, 30), ...tokens(4, 30)],
      tokens(4, 50),
      tokens(4, 49)
    ])
    const [shared] = yield* sharedDocuments(train, [test])
    assert.deepStrictEqual(shared, [true, false, false, true, false])
    const scores = emptyScores(test.documents)
    scores.bits.set([1000, 89, 60, 1000, 49])
    const figures = sharedFigures(test, scores, shared!, 1)
    assert.deepStrictEqual([figures.tokens, figures.documents, figures.without?.documents], [50, 2, 3])
    assert.closeTo(figures.without!.bitsPerByte, 1, 1e-12)
    assert.deepStrictEqual(figures.without?.interval, { low: 1, high: 1 })
    assert.isNull(sharedFigures(test, scores, [true, true, true, true, true], 1).without)
  })
)
