/**
 * Pipelines as a pipeline file writes them: core's, limited to the services that the command line provides, and with the file's own
 * choice of engine and workspace.
 */
import { type Backend, BackendChoice, Precision, Threads } from "@trainyard/backends/Backend"
import type { Kind } from "@trainyard/core/Artifact"
import type { Journal } from "@trainyard/core/Journal"
import type { Fields } from "@trainyard/core/Parameters"
import * as Core from "@trainyard/core/Pipeline"
import type { ErrorOf, Node, ServicesOf } from "@trainyard/core/Stage"
import type { Workspace } from "@trainyard/core/Workspace"
import { type FileSystem, type Path, Predicate, Schema, type Stdio, type Terminal } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { variableOf } from "./Parameters.ts"

/** Effect's own services, as Node gives them. */
type NodeServices =
  | ChildProcessSpawner.ChildProcessSpawner
  | FileSystem.FileSystem
  | Path.Path
  | Stdio.Stdio
  | Terminal.Terminal

/** What a stage may ask for when `trainyard run` runs it. */
export type Provided = Backend | Journal | NodeServices | Workspace

/** A size such as "500 MB" or "20GB". */
export const ByteSize = Schema.String.check(Schema.isPattern(/^\d+(?:\.\d+)?\s*[MGT]B$/i))

/** What the file would have, where neither a flag nor the environment says otherwise. */
export const RunOptions = Schema.Struct({
  backend: Schema.optionalKey(BackendChoice),
  /** Worker threads. */
  threads: Schema.optionalKey(Threads),
  precision: Schema.optionalKey(Precision),
  /** How many stages that compute may do so at the same time; 1 by default. */
  jobs: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))),
  /** Folder for artifacts and runs, seen from the current folder. */
  workspace: Schema.optionalKey(Schema.NonEmptyString),
  /** A store that several machines share: a folder, or `s3://bucket/prefix`. */
  store: Schema.optionalKey(Schema.NonEmptyString),
  /** Most that the workspace keeps of what the store has, such as "20 GB"; all by default. */
  storeCache: Schema.optionalKey(ByteSize)
})
export type RunOptions = typeof RunOptions.Type

/** A pipeline that the command line can run. */
export interface Pipeline<Out extends Kind = Kind, E = unknown, R = Provided>
  extends Core.Pipeline<Out, E, R> {
  readonly options?: RunOptions
}

/** A pipeline that the command line can run once its parameters have values: `--param name=value`. */
export interface Parameterized<F extends Fields = Fields, Out extends Kind = Kind, E = unknown, R = Provided>
  extends Core.Parameterized<F, Out, E, R> {
  readonly options?: RunOptions
}

/** What the second argument of `make` may hold: the parameters, and what the file would have for each run. */
export interface Options<F extends Fields> extends RunOptions {
  /**
   * A Schema for each value that the file leaves open. Give a default with `Schema.withDecodingDefaultKey`, and tell `trainyard plan` what
   * it is for with a `description` annotation.
   */
  readonly parameters: F
}

/** A sentence instead of a type, so that the compiler's message says what is missing. */
export interface MissingServices<Missing> {
  readonly "trainyard run does not provide a service that a stage of this pipeline needs; provide it in that stage's run": Missing
}

// What a wrongly wired stage needs is unknown, and the compiler has already reported it.
type Runnable<N extends Node> =
  unknown extends ServicesOf<N>
    ? unknown
    : [Exclude<ServicesOf<N>, Provided>] extends [never]
      ? unknown
      : MissingServices<Exclude<ServicesOf<N>, Provided>>

/** Two parameters may differ in case alone, and then the environment cannot distinguish them. */
const checkVariables = (pipeline: string, names: ReadonlyArray<string>): void => {
  const variables = names.map(variableOf)
  const second = names.findIndex((_, index) => variables.indexOf(variables[index]!) < index)
  if (second < 0) return
  throw new Core.InvalidPipeline({
    pipeline,
    message: `Parameters "${names[variables.indexOf(variables[second]!)]}" and "${names[second]}" of pipeline "${pipeline}" are both set by ${variables[second]}: rename one of them.`
  })
}

/**
 * Makes a pipeline from a function that wires its stages and returns the last one, or several in lists and records. A stage that needs a
 * service which the command line does not provide is a compile error. Throws `InvalidPipeline` when the graph cannot be run.
 *
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { collect, Pipeline, Source, splitCorpus, tokenize } from "trainyard"
 *
 * const vocabularySize = Schema.Int.pipe(
 *   Schema.annotate({ description: "Entries of the vocabulary" }),
 *   Schema.withDecodingDefaultKey(Effect.succeed(4_000))
 * )
 *
 * export default Pipeline.make("words", { backend: "cpu", threads: 2, parameters: { vocabularySize } }, (p) => {
 *   const corpus = collect({ sources: [Source.folder("src")] })
 *   return tokenize({ split: splitCorpus({ corpus }), vocabularySize: p.vocabularySize })
 * })
 * ```
 */
export function make<N extends Node>(
  name: string,
  build: (() => Core.Results<N>) & Runnable<N>
): Pipeline<N["kind"], ErrorOf<N>, ServicesOf<N>>
export function make<const F extends Fields, N extends Node>(
  name: string,
  options: Options<F>,
  build: ((parameters: Schema.Struct<F>["Type"]) => Core.Results<N>) & Runnable<N>
): Parameterized<F, N["kind"], ErrorOf<N>, ServicesOf<N>>
export function make<N extends Node>(
  name: string,
  options: RunOptions,
  build: (() => Core.Results<N>) & Runnable<N>
): Pipeline<N["kind"], ErrorOf<N>, ServicesOf<N>>
export function make(name: string, first: unknown, second?: unknown): unknown {
  const [given, build] = typeof first === "function" ? [second ?? {}, first] : [first, second]
  if (typeof build !== "function" || !Predicate.isObject(given)) {
    throw new Core.InvalidPipeline({
      pipeline: name,
      message: `Pipeline "${name}" has no function that wires its stages: write Pipeline.make("${name}", { …options }, () => stage).`
    })
  }
  if (typeof first === "function" && second !== undefined) {
    throw new Core.InvalidPipeline({
      pipeline: name,
      message: `The options of pipeline "${name}" stand after its function: write Pipeline.make("${name}", { …options }, () => stage).`
    })
  }
  checkVariables(name, Object.keys((given as { readonly parameters?: Fields }).parameters ?? {}))
  const { parameters, ...options } = given as RunOptions & { readonly parameters?: Fields }
  const builder = build as (parameters?: unknown) => Node
  return parameters === undefined
    ? { ...Core.make(name, () => builder()), options }
    : { ...Core.make(name, { parameters }, builder), options }
}

export {
  downstream,
  InvalidPipeline,
  isParameterized,
  isPipeline,
  toDot,
  toMermaid
} from "@trainyard/core/Pipeline"
