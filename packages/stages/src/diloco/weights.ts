/** Tensors of the artifacts here: opened by the names and shapes that a model has. */
import { join } from "node:path"
import type { Artifact } from "@trainyard/core/Artifact"
import { Effect } from "effect"
import { parameters, type Spec } from "../model/Parameters.ts"
import type { SafetensorsError, Source } from "../tensors/Safetensors.ts"
import * as TensorFile from "../tensors/TensorFile.ts"
import type { AveragedWeights } from "./AveragedWeights.ts"
import { AveragingImpossible } from "./AveragingImpossible.ts"

/** A tensor that is wanted. */
interface Wanted {
  readonly name: string
  readonly shape: ReadonlyArray<number>
}

/** The wanted tensors of a file, in that order, each read when it is needed. */
export const open = Effect.fn("diloco.open")(function* (
  directory: string,
  file: string,
  wanted: ReadonlyArray<Wanted>
) {
  const path = join(directory, file)
  const { tensors } = yield* TensorFile.open(path)
  const chosen: Array<Source<SafetensorsError>> = []
  for (const { name, shape } of wanted) {
    const found = tensors.get(name)
    if (found === undefined || found.shape.join() !== shape.join())
      return yield* new AveragingImpossible({
        message: `${path} holds no ${name} of shape [${shape.join(", ")}]. Remove its artifact and run again.`
      })
    chosen.push({ ...found, name })
  }
  return chosen
})

/** The shape of the model that is averaged. */
export const specOf = ({ value }: Artifact<typeof AveragedWeights>): Spec => ({
  model: value.model,
  vocabularySize: value.vocabularySize,
  sequenceLength: value.sequenceLength
})

/** A file of an average, a tensor for each parameter. */
export const ofAverage = (average: Artifact<typeof AveragedWeights>, file: string) =>
  open(average.directory, file, parameters(specOf(average)))
