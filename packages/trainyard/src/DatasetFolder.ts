/** A dataset folder given by hand, as the artifact that the dataset stage would have made. */
import { createHash } from "node:crypto"
import type { Artifact } from "@trainyard/core/Artifact"
import * as Store from "@trainyard/core/Store"
import { Dataset } from "@trainyard/stages/dataset/Dataset"
import * as DatasetReader from "@trainyard/stages/dataset/DatasetReader"
import { Effect, FileSystem, Path } from "effect"

/** A folder without the store's manifest is known by what it holds: its tokens and its tokenizer. */
const published = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { test, train, validation, value } = yield* DatasetReader.open(directory)
  const tokenizer = yield* fs.readFile(path.join(directory, "tokenizer.json"))
  const artifact: Artifact<typeof Dataset> = {
    kind: Dataset.name,
    directory,
    fingerprint: createHash("sha256")
      .update(train.tokens)
      .update(validation.tokens)
      .update(test?.tokens ?? new Uint8Array())
      .update(tokenizer)
      .digest("hex")
      .slice(0, 32),
    value
  }
  return artifact
})

/** Opens a dataset folder: an artifact of a store, checked against its manifest, or any folder that holds a dataset's files. */
export const open = Effect.fn("DatasetFolder.open")(function* (name: string) {
  const path = yield* Path.Path
  const directory = path.resolve(name)
  return yield* (yield* Store.isArtifact(directory)) ? Store.open(Dataset, directory) : published(directory)
})
