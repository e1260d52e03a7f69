/** The engine behind a command: chosen by flag, environment or file, and named in what is fingerprinted. */
import { Backend } from "@trainyard/backends/Backend"
import { engine as reference } from "@trainyard/backends/reference/engine"
import { ComputeIdentity } from "@trainyard/core/Fingerprint"
import { Layer } from "effect"
import type { Chosen } from "./Choices.ts"

export interface Options {
  /** Whether each step runs beside the reference engine. */
  readonly checked?: boolean
}

/** For a pipeline of which no stage computes. Nothing of it is ever used. */
export const none: Layer.Layer<Backend> = Layer.succeed(
  Backend,
  Backend.of({
    engine: "reference",
    settings: { threads: 1, precision: "f32" },
    why: "no stage computes",
    open: (tensors) => reference.open(tensors, { threads: 1, precision: "f32" })
  })
)

export const layer = (_chosen: Chosen, _options: Options = {}): Layer.Layer<Backend> =>
  Layer.merge(
    none,
    Layer.succeed(ComputeIdentity, { engine: "reference", precision: "f32", description: "reference, f32" })
  )
