/** What a run tells its workers of its command line, so that each opens the same pipeline from its own folder. */
import { isAbsolute, relative, sep } from "node:path"
import { Precision } from "@trainyard/backends/Backend"
import { Schema } from "effect"

export const Spec = Schema.Struct({
  /** The pipeline file from the current folder, with `/`; absolute where it lies outside of it. */
  file: Schema.String,
  param: Schema.Array(Schema.String),
  set: Schema.Array(Schema.String),
  /** Name of the engine that the run planned with. */
  backend: Schema.String,
  precision: Schema.NullOr(Precision),
  checked: Schema.Boolean
})
export type Spec = typeof Spec.Type

/** A file as `Spec` has it. */
export const fileOf = (file: string, directory: string): string => {
  const path = relative(directory, file)
  return isAbsolute(path) || path.startsWith("..") ? file : path.split(sep).join("/")
}
