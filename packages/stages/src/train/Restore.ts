/** Turning a checkpoint's files back into the state and tensors of a run, and telling whether it is this run's. */

import { sizeOf } from "@trainyard/backends/program/Program"
import { Data, Effect, FileSystem, Option, Schema } from "effect"
import { parameters, type Spec } from "../model/Parameters.ts"
import type { SafetensorsError, Source } from "../tensors/Safetensors.ts"
import * as TensorFile from "../tensors/TensorFile.ts"
import { holdsAverage } from "./averaging.ts"
import type { Verified } from "./CheckpointFolder.ts"
import { optimizerState } from "./optimizers.ts"
import { type Origin, type State, StateFile } from "./State.ts"
import type { TrainConfig } from "./TrainConfig.ts"
import { averageFile } from "./TrainedRun.ts"
import type { Tensors } from "./Trainer.ts"

/** What a checkpoint holds. */
export interface Restored {
  readonly state: State
  readonly origin: Origin
  readonly tensors: Tensors
  readonly curve: Uint8Array
}

const decodeState = Schema.decodeUnknownOption(StateFile)

/** A whole checkpoint of another model, dataset or training run. */
export class IncompatibleCheckpoint extends Data.TaggedError("IncompatibleCheckpoint")<{
  readonly why: string
}> {}

/** The wanted tensors, in that order; fails when one is missing or misshapen. */
const choose = Effect.fnUntraced(function* (
  { files }: Verified,
  name: string,
  wanted: ReadonlyArray<{ readonly name: string; readonly shape: ReadonlyArray<number> }>
) {
  const file = files.get(name)
  if (file === undefined) return yield* new IncompatibleCheckpoint({ why: `it has no ${name}` })
  const { tensors } = yield* TensorFile.open(file.path).pipe(
    Effect.mapError((error) => new IncompatibleCheckpoint({ why: error.message }))
  )
  const chosen: Array<Source<SafetensorsError>> = []
  for (const tensor of wanted) {
    const found = tensors.get(tensor.name)
    if (found === undefined || sizeOf(found.shape) !== sizeOf(tensor.shape))
      return yield* new IncompatibleCheckpoint({
        why: `its ${name} has no ${tensor.name} of this model's shape`
      })
    chosen.push({ ...tensor, read: found.read })
  }
  return chosen
})

const smallFile = Effect.fnUntraced(function* ({ files }: Verified, name: string) {
  const fs = yield* FileSystem.FileSystem
  const file = files.get(name)
  if (file === undefined) return new Uint8Array()
  return yield* fs
    .readFile(file.path)
    .pipe(
      Effect.mapError(
        (error) => new IncompatibleCheckpoint({ why: `its ${name} cannot be read (${error.reason._tag})` })
      )
    )
})

/** Reads a verified checkpoint of a model of this shape. Tensors are read when they are loaded. */
export const contentsOf = Effect.fnUntraced(function* (
  checkpoint: Verified,
  spec: Spec,
  optimizer: TrainConfig["optimizer"],
  holdsAverage: (state: State) => boolean
) {
  const incompatible = (why: string) => new IncompatibleCheckpoint({ why })
  const parsed = decodeState(Buffer.from(yield* smallFile(checkpoint, "state.json")).toString("utf8"))
  if (Option.isNone(parsed)) return yield* incompatible("its state.json is not one that this version writes")
  const { origin, state } = parsed.value
  if (state.step !== checkpoint.step) return yield* incompatible(`its state is of step ${state.step}`)
  const list = parameters(spec)
  return {
    state,
    origin,
    tensors: {
      parameters: yield* choose(checkpoint, "parameters.safetensors", list),
      optimizer: yield* choose(checkpoint, "optimizer.safetensors", optimizerState(optimizer, spec)),
      average: holdsAverage(state) ? yield* choose(checkpoint, averageFile, list) : []
    },
    curve: yield* smallFile(checkpoint, "curve.jsonl")
  } satisfies Restored as Restored
})

/** Reads a verified checkpoint, or says why it does not belong to this run. */
export const restore = (
  checkpoint: Verified,
  spec: Spec,
  origin: Origin,
  settings: Pick<TrainConfig, "averageLast" | "emaSteps" | "optimizer">
): Effect.Effect<Restored | string, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const incompatible = (why: string) => new IncompatibleCheckpoint({ why })
    const restored = yield* contentsOf(checkpoint, spec, settings.optimizer, (state) =>
      holdsAverage(settings, state)
    )
    const from = restored.origin
    if (from.dataset !== origin.dataset) return yield* incompatible("it was trained on another dataset")
    if (from.from !== origin.from) return yield* incompatible("its training began from something else")
    if (from.teacher !== origin.teacher) return yield* incompatible("it had another teacher")
    if (from.engine !== origin.engine || from.precision !== origin.precision)
      return yield* incompatible(`it was trained on ${from.engine} in ${from.precision}`)
    if (JSON.stringify(from.config) !== JSON.stringify(origin.config))
      return yield* incompatible("it was trained with other settings")
    return restored
  }).pipe(Effect.catchTag("IncompatibleCheckpoint", ({ why }) => Effect.succeed(why)))
