/**
 * The teacher of a run: a finished run or a model whose predictions are mixed with the text. Its weights are read anew by each attempt and are not
 * part of checkpoints.
 */
import { join } from "node:path"
import type { Artifact } from "@trainyard/core/Artifact"
import { Effect } from "effect"
import type { Dataset } from "../dataset/Dataset.ts"
import { load } from "../generate/Model.ts"
import { Model } from "../generate/ModelArtifact.ts"
import { positionsOf } from "../model/families.ts"
import { parameters, type Spec } from "../model/Parameters.ts"
import type { SafetensorsError, Source } from "../tensors/Safetensors.ts"
import * as TensorFile from "../tensors/TensorFile.ts"
import * as CheckpointFolder from "./CheckpointFolder.ts"
import { StartImpossible } from "./StartImpossible.ts"
import type { TrainConfig } from "./TrainConfig.ts"
import { type TrainedRun, weightsFile } from "./TrainedRun.ts"

export interface Teacher {
  /** Cache key of its artifact. */
  readonly cacheKey: string
  readonly spec: Spec
  readonly weights: ReadonlyArray<Source<SafetensorsError>>
  /** Share of its predictions in the loss. */
  readonly weight: number
  readonly temperature: number
}

const impossible = (why: string) => new StartImpossible({ message: why })

/** The best weights of a run. */
const weightsOfRun = Effect.fnUntraced(function* ({ directory, value }: Artifact<typeof TrainedRun>) {
  const { files } = yield* CheckpointFolder.read(join(directory, "best"))
  const { model, sequenceLength, vocabularySize } = value
  const spec: Spec = { model, sequenceLength, vocabularySize }
  const file = weightsFile(files)
  const unusable = (why: string) =>
    impossible(`The teacher's weights at ${join(directory, "best", file)} cannot be used: ${why}.`)
  const { tensors } = yield* TensorFile.open(files.get(file)!.path).pipe(
    Effect.mapError((error) => unusable(error.message))
  )
  const weights: Array<Source<SafetensorsError>> = []
  for (const { name, shape } of parameters(spec)) {
    const found = tensors.get(name)
    if (found === undefined || found.shape.join() !== shape.join())
      return yield* unusable(`there is no ${name} of the model's shape`)
    weights.push({ name, shape, read: found.read })
  }
  return { spec, weights, tokenizer: value.tokenizer }
})

const weightsOfModel = Effect.fnUntraced(function* ({ directory }: Artifact<typeof Model>) {
  const { parameters: read, spec, tokenizer } = yield* load(directory)
  const wanted = new Set(parameters(spec).map(({ name }) => name))
  return { spec, weights: read.filter(({ name }) => wanted.has(name)), tokenizer }
})

/**
 * Opens a teacher. Fails with `StartImpossible` when it does not fit the dataset, and with `BrokenCheckpoint`, `ModelUnreadable` and the like for
 * damage on the disk.
 */
export const open = Effect.fn("Teacher.open")(function* (
  from: Artifact<typeof TrainedRun> | Artifact<typeof Model>,
  dataset: Artifact<typeof Dataset>,
  { distill }: TrainConfig,
  sequenceLength: number
) {
  const { spec, tokenizer, weights } = yield* from.kind === Model.name
    ? weightsOfModel(from)
    : weightsOfRun(from)
  if (tokenizer !== dataset.value.tokenizer || spec.vocabularySize !== dataset.value.vocabularySize)
    return yield* impossible(
      "The teacher and the dataset have different tokenizers: its predictions are of other tokens. Build the dataset with the teacher's own tokenizer."
    )
  if (positionsOf(spec.model) !== undefined && sequenceLength > spec.sequenceLength)
    return yield* impossible(
      `sequenceLength is ${sequenceLength}, and the teacher has ${spec.sequenceLength} positions. Set sequenceLength to ${spec.sequenceLength} or less, or take a teacher with a longer context.`
    )
  const { temperature = 1.2, weight = 0.45 } = distill ?? {}
  return { cacheKey: from.cacheKey, spec, weights, temperature, weight } satisfies Teacher as Teacher
})
