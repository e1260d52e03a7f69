/**
 * Where the documents of a split begin: one number a document, so that training can tell, for each token of a window, where its own
 * document begins.
 */
import { Effect, Stream } from "effect"
import type { Split } from "./Dataset.ts"
import * as DocumentList from "./DocumentList.ts"

/** Index of the first token of each document of a split, ascending. The first is 0. */
export type DocumentStarts = Float64Array

/** The number, in the order of the split, of the document that a token belongs to. The token must be in the split. */
export const indexAt = (starts: DocumentStarts, token: number): number => {
  let low = 0
  let high = starts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (starts[middle]! <= token) low = middle
    else high = middle - 1
  }
  return low
}

/**
 * For each of `count` tokens from token `from` of a split of `length` tokens: the position within the window, 0 to count - 1, at which the
 * token's document begins; 0 where it begins before the window. Past the end of the split the window goes on at the beginning, as
 * reading does, with another document.
 *
 * The result never decreases, and attention that keeps documents apart lets position t see positions `result[t]` to t.
 */
export const startsInWindow = (
  starts: DocumentStarts,
  length: number,
  from: number,
  count: number
): Int32Array => {
  const result = new Int32Array(count)
  let document = indexAt(starts, from)
  let begin = 0
  // Position in the window at which the next document begins.
  const nextAfter = (index: number, lap: number): number => (starts[index + 1] ?? length) + lap - from
  let lap = 0
  let next = nextAfter(document, lap)
  for (let at = 0; at < count; at++) {
    // A document has at least one token, its end token.
    if (at === next) {
      begin = at
      document++
      if (document === starts.length) {
        document = 0
        lap += length
      }
      next = nextAfter(document, lap)
    }
    result[at] = begin
  }
  return result
}

/** Reads where the documents of each split begin from a dataset folder's list. Fails with `UnreadableLine`, or as the file system does. */
export const read = Effect.fn("DocumentStarts.read")(function* (directory: string) {
  const starts: Record<Split, Array<number>> = { train: [], validation: [], test: [] }
  yield* Stream.runForEach(DocumentList.stream(directory), ({ split, start }) =>
    Effect.sync(() => void starts[split].push(start))
  )
  return {
    train: Float64Array.from(starts.train),
    validation: Float64Array.from(starts.validation),
    test: Float64Array.from(starts.test)
  }
})
