/** A dataset folder given by hand, as the artifact that the dataset stage would have made. */
import type { Artifact } from "@trainyard/core/Artifact"
import { canonical, shortDigest } from "@trainyard/core/Digest"
import { digestFile } from "@trainyard/core/Durable"
import * as Store from "@trainyard/core/Store"
import { Dataset } from "@trainyard/stages/dataset/Dataset"
import * as DatasetReader from "@trainyard/stages/dataset/DatasetReader"
import { Effect, Path } from "effect"

/** A folder without the store's manifest is known by what it holds: its tokens and its tokenizer, whose digests it names, and its list. */
const published = Effect.fnUntraced(function* (directory: string) {
  const path = yield* Path.Path
  const { value } = yield* DatasetReader.open(directory)
  const list = yield* digestFile(path.join(directory, "documents.jsonl"))
  const artifact: Artifact<typeof Dataset> = {
    kind: Dataset.name,
    directory,
    cacheKey: shortDigest(canonical(value), list.sha256),
    value
  }
  return artifact
}, Effect.scoped)

/** Opens a dataset folder: an artifact of a store, checked against its manifest, or any folder that holds a dataset's files. */
export const open = Effect.fn("DatasetFolder.open")(function* (name: string) {
  const path = yield* Path.Path
  const directory = path.resolve(name)
  return yield* (yield* Store.isArtifact(directory)) ? Store.open(Dataset, directory) : published(directory)
})
