/** Which documents a window of tokens was cut from. */
import { join } from "node:path"
import { Effect, FileSystem, Schema } from "effect"
import { Placed } from "../dataset/Dataset.ts"

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Placed))

/**
 * Paths of the training documents that these windows touch, each once, in the order of the windows. Empty when the dataset's list
 * cannot be read: this is asked when something else is already wrong.
 */
export const inWindows = Effect.fn("Documents.inWindows")(
  function* (dataset: string, starts: ReadonlyArray<number>, length: number, splitTokens: number) {
    const fs = yield* FileSystem.FileSystem
    const text = yield* fs.readFileString(join(dataset, "documents.jsonl"))
    const documents = (yield* Effect.forEach(
      text.split("\n").filter((line) => line !== ""),
      (line) => decode(line)
    )).filter((document) => document.split === "train")
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
