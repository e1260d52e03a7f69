/** Opens a pipeline file: imports it and takes its default export. Each mistake becomes one sentence. */
import { fileURLToPath, pathToFileURL } from "node:url"
import { stripVTControlCharacters } from "node:util"
import * as Parameters from "@trainyard/core/Parameters"
import * as Pipeline from "@trainyard/core/Pipeline"
import { Context, Effect, FileSystem, Option, Path, Predicate, Schema } from "effect"
import * as Given from "./Parameters.ts"
import type { Pipeline as Loaded, Parameterized } from "./Pipeline.ts"
import * as Resolution from "./Resolution.ts"

/** A pipeline file that cannot be used. Ends a command as wrong usage (exit code 2). */
export class PipelineFileError extends Schema.TaggedError<PipelineFileError>()("PipelineFileError", {
  file: Schema.String,
  message: Schema.String
}) {}

const example = 'export default Pipeline.make("name", () => …)'

/** `, line 12` when the stack of an error passes through the file. */
const lineOf = (file: string, cause: Error): string => {
  const stack = cause.stack ?? ""
  for (const name of [pathToFileURL(file).href, file]) {
    const at = stack.indexOf(`${name}:`)
    if (at < 0) continue
    const line = /^(\d+)/.exec(stack.slice(at + name.length + 1))
    if (line !== null) return `, line ${line[1]}`
  }
  return ""
}

const firstLine = (text: string): string => stripVTControlCharacters(text).trim().split("\n")[0]?.trim() ?? ""

const ended = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)

/** What a failed import means, as a sentence. */
const explain = (file: string, cause: unknown): string => {
  if (!(cause instanceof Error))
    return `${file} threw ${JSON.stringify(cause) ?? String(cause)} instead of an error.`
  const code = Predicate.hasProperty(cause, "code") ? cause.code : undefined
  const message = firstLine(cause.message)
  const line = lineOf(file, cause)
  if (Predicate.isTagged(cause, "InvalidPipeline")) return `${file}${line}: ${cause.message}`
  switch (code) {
    case "ERR_MODULE_NOT_FOUND":
    case "ERR_PACKAGE_PATH_NOT_EXPORTED": {
      const wanted = /Cannot find (?:module|package) '([^']+)'/.exec(message)?.[1]
      const name = wanted?.startsWith("file:") ? fileURLToPath(wanted) : wanted
      return name === undefined
        ? `${file} imports something that is not there: ${ended(message)}`
        : `${file} imports ${name}, which is not there. Check the spelling and the file ending, or install the package.`
    }
    case "ERR_INVALID_TYPESCRIPT_SYNTAX":
      return `${file} is not valid TypeScript: ${ended(message)}`
    case "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX":
      return `${file} uses TypeScript that Node cannot run by leaving the types out (enum, namespace, parameter properties): ${ended(message)}`
    case "ERR_UNKNOWN_FILE_EXTENSION":
      return `${file} is not a TypeScript or JavaScript file. Name a pipeline file, such as pipelines/quickstart.ts.`
    default:
  }
  if (cause instanceof SyntaxError) return `${file}${line} is not valid TypeScript: ${ended(message)}`
  return `${file}${line} threw ${cause.name}: ${ended(message || "it gave no message")}`
}

/** The default export. A file without import or export is CommonJS to Node, whose default export is an empty object. */
const exportOf = (module: unknown): unknown => {
  if (!Predicate.hasProperty(module, "default")) return undefined
  const isEmpty =
    Predicate.hasProperty(module, "module.exports") &&
    Predicate.isObject(module.default) &&
    Object.keys(module.default).length === 0
  return isEmpty ? undefined : module.default
}

const describe = (file: string, exported: unknown, names: ReadonlyArray<string>): string => {
  if (exported === undefined) {
    return names.length === 0
      ? `${file} exports nothing. End it with: ${example}.`
      : `${file} has no default export (it exports ${names.join(", ")}). End it with: ${example}.`
  }
  if (Predicate.isTagged(exported, "Node")) {
    return `${file} exports a stage instead of a pipeline. Wrap it: ${example}.`
  }
  const kind =
    exported === null
      ? "null"
      : Array.isArray(exported)
        ? "an array"
        : typeof exported === "object"
          ? "an object"
          : `a ${typeof exported}`
  return `${file} exports ${kind} instead of a pipeline. End it with: ${example}.`
}

/** Called with which pipeline file's code runs because it is being imported, and undefined when that is over. */
export const Loading = Context.Reference<(file: string | undefined) => void>(
  "trainyard/PipelineFile/Loading",
  {
    defaultValue: () => () => undefined
  }
)

/** A pipeline with parameters, built with the values that are given; errors of its function become a sentence. */
const built = Effect.fnUntraced(function* (
  file: string,
  declared: Parameterized,
  texts: ReadonlyArray<string>
) {
  const given = yield* Given.given(declared.name, declared.fields, texts)
  const { parameters, values } = yield* Parameters.resolve(
    declared.name,
    declared.fields,
    given,
    Given.howToGive
  )
  const loading = yield* Loading
  loading(file)
  const pipeline = yield* Effect.try({
    try: () => declared.build(values, parameters),
    catch: (cause) => new PipelineFileError({ file, message: explain(file, cause) })
  }).pipe(Effect.ensuring(Effect.sync(() => loading(undefined))))
  return { ...pipeline, options: declared.options ?? {} }
})

/** Imports a pipeline file. Gives its default export, which is a pipeline, with parameters or without. */
const imported = Effect.fn("PipelineFile.import")(function* (
  name: string
): Effect.fn.Return<
  { readonly file: string; readonly exported: Loaded | Parameterized },
  PipelineFileError,
  FileSystem.FileSystem | Path.Path
> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.resolve(name)
  const refuse = (message: string) => new PipelineFileError({ file, message })
  const info = yield* fs
    .stat(file)
    .pipe(
      Effect.mapError((error) =>
        refuse(
          error.reason._tag === "NotFound"
            ? `There is no pipeline file ${file}. Give the path of a TypeScript file, such as pipelines/quickstart.ts.`
            : `${file} cannot be read: ${error.message}`
        )
      )
    )
  if (info.type === "Directory") {
    return yield* refuse(`${file} is a folder. Give the path of a pipeline file in it.`)
  }
  Resolution.install()
  const loading = yield* Loading
  loading(file)
  const module = yield* Effect.tryPromise({
    try: (): Promise<unknown> => import(pathToFileURL(file).href),
    catch: (cause) => refuse(explain(file, cause))
  }).pipe(
    Effect.timeoutOption("60 seconds"),
    Effect.flatMap(
      Option.match({
        onNone: () =>
          refuse(
            `${file} did not finish loading within 60 seconds; something at its top level never finishes.`
          ),
        onSome: Effect.succeed
      })
    ),
    Effect.ensuring(Effect.sync(() => loading(undefined)))
  )
  const exported = exportOf(module)
  if (!Pipeline.isPipeline(exported) && !Pipeline.isParameterized(exported)) {
    const names = Predicate.isObject(module)
      ? Object.keys(module).filter((key) => key !== "default" && key !== "module.exports")
      : []
    return yield* refuse(describe(file, exported, names))
  }
  // Pipeline.make has checked at compile time that the stages need no other services than those the command line provides.
  return { file, exported: exported as Loaded | Parameterized }
})

/**
 * Opens a pipeline file, given as a path from the current folder, with values for its parameters, each `name=value`. Fails with
 * `PipelineFileError` or `InvalidParameter`.
 */
export const load = Effect.fn("PipelineFile.load")(function* (
  name: string,
  texts: ReadonlyArray<string> = []
) {
  const { exported, file } = yield* imported(name)
  if (Pipeline.isParameterized(exported)) return { file, pipeline: yield* built(file, exported, texts) }
  // Nothing to decode: a value for a parameter that is not there is refused.
  yield* Parameters.resolve(exported.name, {}, yield* Given.given(exported.name, {}, texts))
  return { file, pipeline: exported }
})
