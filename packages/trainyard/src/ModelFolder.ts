/** A model folder given by hand, as the artifact that the checkpoint stage would have made. */
import type { Artifact } from "@trainyard/core/Artifact"
import { canonical, shortDigest } from "@trainyard/core/Digest"
import { digestFile } from "@trainyard/core/Durable"
import * as Store from "@trainyard/core/Store"
import * as LoadedModel from "@trainyard/stages/generate/Model"
import { Model } from "@trainyard/stages/generate/ModelArtifact"
import { parameterCount } from "@trainyard/stages/model/Parameters"
import { Effect, Path } from "effect"

/** A published folder without the store's manifest is known by what it holds: its layout, its weights and its tokenizer. */
const published = Effect.fnUntraced(function* (directory: string) {
  const path = yield* Path.Path
  const { provenance, spec, tokenizer } = yield* LoadedModel.load(directory)
  const weights = yield* digestFile(path.join(directory, "model.safetensors"))
  const value: Artifact<typeof Model>["value"] = {
    model: spec.model,
    vocabularySize: spec.vocabularySize,
    sequenceLength: spec.sequenceLength,
    parameters: parameterCount(spec),
    bytes: weights.bytes,
    tokenizer,
    ...(provenance && { provenance })
  }
  const artifact: Artifact<typeof Model> = {
    kind: Model.name,
    directory,
    cacheKey: shortDigest(canonical(value), weights.sha256),
    value
  }
  return artifact
})

/** Opens a model folder: an artifact of a store, checked against its manifest, or a published folder, checked by loading it. */
export const open = Effect.fn("ModelFolder.open")(function* (name: string) {
  const path = yield* Path.Path
  const directory = path.resolve(name)
  return yield* (yield* Store.isArtifact(directory)) ? Store.open(Model, directory) : published(directory)
})
