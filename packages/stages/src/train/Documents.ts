/** The documents behind a dataset's tokens: where they came from, and which of them a window of tokens was cut from. */
import { Effect, Stream } from "effect"
import * as DocumentList from "../dataset/DocumentList.ts"

/**
 * Paths of the training documents that these windows touch, each once, in the order of the windows. Empty when the dataset's list
 * cannot be read: this is asked when something else is already wrong.
 */
export const inWindows = Effect.fn("Documents.inWindows")(
  function* (dataset: string, starts: ReadonlyArray<number>, length: number, splitTokens: number) {
    const documents = yield* DocumentList.stream(dataset).pipe(
      Stream.filter((document) => document.split === "train"),
      Stream.runCollect
    )
    const touched = (from: number, to: number) =>
      documents.filter((document) => document.start < to && document.start + document.tokens > from)
    return [
      ...new Set(
        starts
          .flatMap((start) => [
            ...touched(start, Math.min(start + length, splitTokens)),
            ...touched(0, start + length - splitTokens)
          ])
          .map((document) => document.path)
      )
    ]
  },
  Effect.orElseSucceed((): ReadonlyArray<string> => [])
)

/** Where a dataset's documents came from, the largest share first. Empty when its list cannot be read. */
export const origins = Effect.fn("Documents.origins")(
  function* (dataset: string) {
    const counts = new Map<string, number>()
    yield* Stream.runForEach(DocumentList.stream(dataset), ({ origin }) =>
      Effect.sync(() => void counts.set(origin, (counts.get(origin) ?? 0) + 1))
    )
    return [...counts]
      .map(([origin, documents]) => ({ origin, documents }))
      .sort((a, b) => b.documents - a.documents || (a.origin < b.origin ? -1 : 1))
  },
  Effect.orElseSucceed((): ReadonlyArray<{ readonly origin: string; readonly documents: number }> => [])
)
