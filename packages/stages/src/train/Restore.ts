/** Turning a checkpoint's bytes back into the state and tensors of a run, and telling whether it is this run's. */

import { Names } from "@trainyard/backends/program/optimize"
import { sizeOf } from "@trainyard/backends/program/Program"
import { Effect, Option, Schema } from "effect"
import { decode, type NamedTensor } from "../checkpoint/Safetensors.ts"
import { parameters, type Spec } from "../model/Parameters.ts"
import type { Verified } from "./CheckpointFolder.ts"
import { type Origin, type State, StateFile } from "./State.ts"
import { averageFile } from "./TrainedRun.ts"
import type { Tensors } from "./Trainer.ts"

export interface Restored {
  readonly state: State
  readonly origin: Origin
  readonly tensors: Tensors
  readonly curve: Uint8Array
}

const decodeState = Schema.decodeUnknownOption(StateFile)

/** The tensors that are wanted, in that order, or the sentence that says which is missing or misshapen. */
const choose = (
  file: Uint8Array | undefined,
  name: string,
  wanted: ReadonlyArray<{ readonly name: string; readonly shape: ReadonlyArray<number> }>
): ReadonlyArray<NamedTensor> | string => {
  if (file === undefined) return `it has no ${name}`
  const found = Effect.runSync(Effect.result(decode(file, name)))
  if (found._tag === "Failure") return found.failure.message
  const chosen: Array<NamedTensor> = []
  for (const tensor of wanted) {
    const values = found.success.tensors.get(tensor.name)?.values
    if (values?.length !== sizeOf(tensor.shape))
      return `its ${name} has no ${tensor.name} of this model's shape`
    chosen.push({ ...tensor, values })
  }
  return chosen
}

/** Reads a verified checkpoint, or says why it does not belong to this run. */
export const restore = (
  checkpoint: Verified,
  spec: Spec,
  origin: Origin,
  averages: boolean
): Restored | string => {
  const { files } = checkpoint
  const parsed = decodeState(Buffer.from(files.get("state.json") ?? []).toString("utf8"))
  if (Option.isNone(parsed)) return "its state.json is not one that this version writes"
  const { origin: from, state } = parsed.value
  if (state.step !== checkpoint.step) return `its state is of step ${state.step}`
  if (from.dataset !== origin.dataset) return "it was trained on another dataset"
  if (from.engine !== origin.engine || from.precision !== origin.precision)
    return `it was trained on ${from.engine} in ${from.precision}`
  if (JSON.stringify(from.config) !== JSON.stringify(origin.config))
    return "it was trained with other settings"
  const list = parameters(spec)
  const chosenParameters = choose(files.get("parameters.safetensors"), "parameters.safetensors", list)
  if (typeof chosenParameters === "string") return chosenParameters
  const optimizer = choose(
    files.get("optimizer.safetensors"),
    "optimizer.safetensors",
    list.flatMap(({ name, shape }) => [
      { name: Names.firstMoment(name), shape },
      { name: Names.secondMoment(name), shape }
    ])
  )
  if (typeof optimizer === "string") return optimizer
  const average = averages ? choose(files.get(averageFile), averageFile, list) : []
  if (typeof average === "string") return average
  return {
    state,
    origin: from,
    tensors: { parameters: chosenParameters, optimizer, average },
    curve: files.get("curve.jsonl") ?? new Uint8Array()
  }
}
