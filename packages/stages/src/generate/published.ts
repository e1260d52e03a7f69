/** A model folder without a manifest: one that was copied out, or that `save_pretrained` made. */
import type { Published } from "@trainyard/core/View"
import { Effect, FileSystem, Path } from "effect"
import { parameterCount } from "../model/Parameters.ts"
import * as LoadedModel from "./Model.ts"
import type { Model } from "./ModelArtifact.ts"

const weights = "model.safetensors"

/** It is known by what it holds: its layout, its weights and its tokenizer. */
export const published: Published<typeof Model> = {
  files: [weights, "config.json"],
  digested: weights,
  open: Effect.fnUntraced(function* (directory) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const { provenance, spec, tokenizer } = yield* LoadedModel.load(directory)
    const { size } = yield* fs.stat(path.join(directory, weights))
    return {
      model: spec.model,
      vocabularySize: spec.vocabularySize,
      sequenceLength: spec.sequenceLength,
      parameters: parameterCount(spec),
      bytes: Number(size),
      tokenizer,
      ...(provenance && { provenance })
    }
  })
}
