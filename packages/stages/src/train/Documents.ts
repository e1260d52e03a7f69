/** The documents behind a dataset's tokens: where they came from, and which of them a window of tokens was cut from. */
import { join } from "node:path"
import { Effect, FileSystem, Schema } from "effect"
import { Placed } from "../dataset/Dataset.ts"

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Placed))

const listed = Effect.fnUntraced(function* (dataset: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(join(dataset, "documents.jsonl"))
  return yield* Effect.forEach(
    text.split("\n").filter((line) => line !== ""),
    (line) => decode(line)
  )
})

/**
 * Paths of the training documents that these windows touch, each once, in the order of the windows. Empty when the dataset's list
 * cannot be read: this is asked when something else is already wrong.
 */
export const inWindows = Effect.fn("Documents.inWindows")(
  function* (dataset: string, starts: ReadonlyArray<number>, length: number, splitTokens: number) {
    const documents = (yield* listed(dataset)).filter((document) => document.split === "train")
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
    for (const { origin } of yield* listed(dataset)) counts.set(origin, (counts.get(origin) ?? 0) + 1)
    return [...counts]
      .map(([origin, documents]) => ({ origin, documents }))
      .sort((a, b) => b.documents - a.documents || (a.origin < b.origin ? -1 : 1))
  },
  Effect.orElseSucceed((): ReadonlyArray<{ readonly origin: string; readonly documents: number }> => [])
)
