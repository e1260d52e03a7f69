/** Reads a dataset's `documents.jsonl` line by line: the list of a large dataset is longer than a string can be. */
import { Effect, FileSystem, Path, Schema, Stream } from "effect"
import { Placed } from "./Dataset.ts"

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Placed))

/** A line that does not describe a document. */
export class UnreadableLine extends Schema.TaggedError<UnreadableLine>()("UnreadableLine", {
  /** From 1. */
  line: Schema.Int
}) {}

/** The documents of a dataset folder, in the order of the list. Fails with `UnreadableLine`, or as the file system does. */
export const stream = (directory: string) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      return fs.stream(path.join(directory, "documents.jsonl"), { chunkSize: 1 << 18 }).pipe(
        Stream.decodeText(),
        Stream.splitLines,
        Stream.zipWithIndex,
        Stream.filter(([text]) => text !== ""),
        Stream.mapEffect(([text, index]) =>
          Effect.mapError(decode(text), () => new UnreadableLine({ line: index + 1 }))
        )
      )
    })
  )
