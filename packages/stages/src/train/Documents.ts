/** The documents behind a dataset's tokens: where they came from, and which of them a batch was cut from. */
import { Effect, Stream } from "effect"
import * as DocumentList from "../dataset/DocumentList.ts"
import type { Piece } from "./Packing.ts"

/**
 * Paths of the training documents whose tokens these pieces predict, each once, in the order of the pieces. Empty when the dataset's list
 * cannot be read: this is asked when something else is already wrong.
 */
export const inPieces = Effect.fn("Documents.inPieces")(
  function* (dataset: string, pieces: ReadonlyArray<Piece>, splitTokens: number) {
    const documents = yield* DocumentList.stream(dataset).pipe(
      Stream.filter((document) => document.split === "train"),
      Stream.runCollect
    )
    const touched = (from: number, to: number) =>
      documents.filter((document) => document.start < to && document.start + document.tokens > from)
    return [
      ...new Set(
        pieces
          .flatMap(({ length, target }) => [
            ...touched(target, Math.min(target + length, splitTokens)),
            ...touched(0, target + length - splitTokens)
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
