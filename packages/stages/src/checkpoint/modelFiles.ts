/** The files of a model folder that both `checkpoint` and `importModel` write. */
import { join } from "node:path"
import { Effect, FileSystem } from "effect"
import type { Provenance } from "../generate/Provenance.ts"
import { metadataOf } from "../generate/Provenance.ts"
import { configJson, generationConfigJson, toHuggingFace } from "../model/huggingFace.ts"
import type { Spec } from "../model/Parameters.ts"
import type { Source } from "../tensors/Safetensors.ts"
import * as TensorFile from "../tensors/TensorFile.ts"

/** Name of the file of weights. */
export const weightsName = "model.safetensors"

/** JSON as it is written into a model folder. */
export const pretty = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`

/** Writes `model.safetensors`, in float32, with the provenance in its metadata. Gives its size in bytes. */
export const writeWeights = <E>(
  directory: string,
  spec: Spec,
  parameters: ReadonlyArray<Source<E>>,
  provenance: Provenance | undefined
) =>
  TensorFile.write(
    join(directory, weightsName),
    toHuggingFace(spec, new Map(parameters.map((tensor) => [tensor.name, tensor]))),
    { format: "pt", ...(provenance && metadataOf(provenance)) }
  )

/** Writes `config.json` and `generation_config.json`. */
export const writeConfigs = Effect.fnUntraced(function* (directory: string, spec: Spec, endTokenId: number) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFileString(join(directory, "config.json"), pretty(configJson(spec, endTokenId)))
  yield* fs.writeFileString(
    join(directory, "generation_config.json"),
    pretty(generationConfigJson(endTokenId))
  )
})
