/**
 * Pipelines as a pipeline file writes them: core's, limited to the services that the command line provides, and with the file's own
 * choice of engine and workspace.
 */
import { type Backend, BackendChoice, Precision, Threads } from "@trainyard/backends/Backend"
import type { Kind } from "@trainyard/core/Artifact"
import type { Journal } from "@trainyard/core/Journal"
import * as Core from "@trainyard/core/Pipeline"
import type { ErrorOf, Node, ServicesOf } from "@trainyard/core/Stage"
import type { Workspace } from "@trainyard/core/Workspace"
import { type FileSystem, type Path, Schema, type Stdio, type Terminal } from "effect"
import type { ChildProcessSpawner } from "effect/process"

/** Effect's own services, as Node gives them. */
type NodeServices =
  | ChildProcessSpawner.ChildProcessSpawner
  | FileSystem.FileSystem
  | Path.Path
  | Stdio.Stdio
  | Terminal.Terminal

/** What a stage may ask for when `trainyard run` runs it. */
export type Provided = Backend | Journal | NodeServices | Workspace

/** What the file would have, where neither a flag nor the environment says otherwise. */
export const RunOptions = Schema.Struct({
  backend: Schema.optionalKey(BackendChoice),
  /** Worker threads. */
  threads: Schema.optionalKey(Threads),
  precision: Schema.optionalKey(Precision),
  /** How many stages that compute may do so at the same time; 1 unless told. */
  jobs: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))),
  /** Folder for artifacts and runs, seen from the current folder. */
  workspace: Schema.optionalKey(Schema.NonEmptyString)
})
export type RunOptions = typeof RunOptions.Type

/** A pipeline that the command line can run. */
export interface Pipeline<Out extends Kind = Kind, E = unknown, R = Provided>
  extends Core.Pipeline<Out, E, R> {
  readonly choices?: RunOptions
}

/** A sentence in the place of a type, so that the compiler's message says what is missing. */
export interface MissingServices<Missing> {
  readonly "trainyard run does not provide a service that a stage of this pipeline needs; provide it in that stage's run": Missing
}

// What a wrongly wired stage needs is unknown, and the compiler has said what is wrong with it.
type Runnable<N extends Node> =
  unknown extends ServicesOf<N>
    ? unknown
    : [Exclude<ServicesOf<N>, Provided>] extends [never]
      ? unknown
      : MissingServices<Exclude<ServicesOf<N>, Provided>>

/**
 * Makes a pipeline from a function that wires its stages and returns the last one, or several. A stage that needs a service which
 * the command line does not provide is a compile error.
 *
 * @example
 * ```ts
 * import { collect, Pipeline, Source, tokenize } from "trainyard"
 *
 * export default Pipeline.make("words", () => {
 *   const corpus = collect({ sources: [Source.folder("src")] })
 *   return tokenize({ corpus, vocabularySize: 4_000 })
 * }, { backend: "cpu", threads: 2 })
 * ```
 */
export const make = <N extends Node>(
  name: string,
  build: (() => N | readonly [N, ...ReadonlyArray<N>]) & Runnable<N>,
  choices: RunOptions = {}
): Pipeline<N["kind"], ErrorOf<N>, ServicesOf<N>> => {
  const pipeline = Core.make<N>(name, build)
  return { ...pipeline, choices }
}

export { downstream, InvalidPipeline, isPipeline, toDot, toMermaid } from "@trainyard/core/Pipeline"
