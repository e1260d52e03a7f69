/** The dataset as validation reads it: document by document. */
import { join } from "node:path"
import type { Artifact } from "@trainyard/core/Artifact"
import { Effect, FileSystem, Schema } from "effect"
import { type Dataset, Placed, type Split } from "../dataset/Dataset.ts"
import { OpenTokens } from "../train/Tokens.ts"
import type { Extent } from "./measure.ts"

/** The model or the dataset is not what validation needs. */
export class ValidationImpossible extends Schema.TaggedError<ValidationImpossible>()("ValidationImpossible", {
  message: Schema.String
}) {}

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Placed))

/** The documents of one split, in the order of its token file, and how to read one. */
export const openSplit = Effect.fn("validate.openSplit")(function* (
  dataset: Artifact<typeof Dataset>,
  split: Split
) {
  const fs = yield* FileSystem.FileSystem
  const openTokens = yield* OpenTokens
  const list = join(dataset.directory, "documents.jsonl")
  const lines = (yield* fs.readFileString(list)).split("\n")
  const documents = (yield* Effect.forEach(
    lines.filter((line) => line !== ""),
    (line) =>
      decode(line).pipe(
        Effect.mapError(
          () =>
            new ValidationImpossible({
              message: `${list} is damaged: a line of it is no document. Make the dataset again, or copy it again.`
            })
        )
      )
  ))
    .filter((document) => document.split === split)
    .sort((a, b) => a.start - b.start)
  const tokens = yield* openTokens(join(dataset.directory, `${split}.bin`), dataset.value.tokenBytes)
  const listed = documents.reduce((sum, document) => sum + document.tokens, 0)
  if (listed !== tokens.length) {
    return yield* new ValidationImpossible({
      message: `${list} lists ${listed} tokens of the ${split} split and ${split}.bin holds ${tokens.length}. Make the dataset again, or copy it again.`
    })
  }
  return { documents, read: (extent: Extent) => tokens.read(extent.start, extent.tokens) }
})
