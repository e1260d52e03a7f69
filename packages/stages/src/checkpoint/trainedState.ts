/** A state of a trained run: the parameters to publish, with the temperature in the final norm. */
import { join } from "node:path"
import type { Artifact } from "@trainyard/core/Artifact"
import { Effect, Schema } from "effect"
import { scaled, temperatureScaled } from "../model/Calibration.ts"
import { parameters, type Spec } from "../model/Parameters.ts"
import * as TensorFile from "../tensors/TensorFile.ts"
import { read as readCheckpoint } from "../train/CheckpointFolder.ts"
import { type TrainedRun, weightsFile } from "../train/TrainedRun.ts"

/** The trained run does not make a model. */
export class PublishingImpossible extends Schema.TaggedError<PublishingImpossible>()("PublishingImpossible", {
  message: Schema.String
}) {}

/** Opens one of the two states of a run. Its tensors are read when they are needed. */
export const open = Effect.fn("checkpoint.trainedState")(function* (
  run: Artifact<typeof TrainedRun>,
  state: "best" | "last"
) {
  const { model, sequenceLength, vocabularySize } = run.value
  const spec: Spec = { model, vocabularySize, sequenceLength }
  const folder = join(run.directory, state)
  const saved = yield* readCheckpoint(folder)
  const { tensors } = yield* TensorFile.open(join(folder, weightsFile(saved.files)))
  const wanted = parameters(spec)
  const absent = wanted.find(({ name, shape }) => tensors.get(name)?.shape.join() !== shape.join())
  if (absent !== undefined)
    return yield* new PublishingImpossible({
      message: `${folder} holds no ${absent.name} of shape [${absent.shape.join(", ")}]. Run train again, without reusing this run.`
    })
  const temperature = run.value.temperature[state]
  const norm = new Set(temperature === 1 ? [] : scaled(spec).map((parameter) => parameter.name))
  return {
    spec,
    step: saved.step,
    temperature,
    parameters: wanted.map(({ name }) => {
      const tensor = tensors.get(name)!
      return norm.has(name)
        ? { ...tensor, read: Effect.map(tensor.read, (values) => temperatureScaled(values, temperature)) }
        : tensor
    })
  }
})
