/**
 * The config of each stage: what the pipeline wrote, changed by `stage.key=value` settings, decoded by the stage's own Schema with
 * unknown keys refused. Every refusal says what is allowed.
 */
import { Effect, Predicate, Result, Schema } from "effect"
import { withoutCredentials } from "../events/Credentials.ts"
import type { Any } from "./Pipeline.ts"
import * as Problems from "./Problems.ts"
import { possibleValues } from "./possibleValues.ts"
import { list, nearest, suggestion } from "./Spelling.ts"
import type { Node } from "./Stage.ts"

/** A config, a setting or a choice of stages that the pipeline does not know. Ends a command as wrong usage (exit code 2). */
export class InvalidSettings extends Schema.TaggedError<InvalidSettings>()("InvalidSettings", {
  message: Schema.String
}) {}

/** A stage's config, decoded for its Effect and encoded (defaults filled in) for its cache key. */
export interface Settings {
  readonly config: unknown
  readonly encoded: Readonly<Record<string, unknown>>
}

interface Setting {
  readonly text: string
  readonly stage: string
  readonly path: ReadonlyArray<string>
  readonly value: string
}

type Config = Schema.Codec<unknown, Readonly<Record<string, unknown>>>

// A stage's config Schema has no services: `Stage.make` runs it with none.
const codecOf = (node: Node): Config => node.stage.config as unknown as Config

const unknownStage = (pipeline: Any, name: string): string | undefined => {
  const allowed = pipeline.nodes.map((node) => node.name)
  return allowed.includes(name)
    ? undefined
    : `pipeline "${pipeline.name}" has no stage "${name}".${suggestion(name, allowed)} Its stages: ${list(allowed)}.`
}

/** Fails when a name is not a stage of the pipeline, naming the flag that it came from. */
export const checkNames = Effect.fnUntraced(function* (pipeline: Any, flag: string, names: Iterable<string>) {
  for (const name of names) {
    const problem = unknownStage(pipeline, name)
    if (problem !== undefined) return yield* new InvalidSettings({ message: `${flag} ${name}: ${problem}` })
  }
})

/**
 * `stage.key.key` split into the stage and the path of the key. A stage's name may hold dots, as `train-0.001` does, so the longest name
 * that fits is taken; where none fits, the one that is nearest to a stage's name.
 */
const splitKey = (pipeline: Any, key: string): readonly [stage: string, path: string] | undefined => {
  const dots = [...key.matchAll(/\./g)]
    .map(({ index }) => index)
    .filter((at) => at > 0 && at < key.length - 1)
  const all = pipeline.nodes.map((node) => node.name)
  const at =
    dots.findLast((end) => all.includes(key.slice(0, end))) ??
    dots.findLast((end) => nearest(key.slice(0, end), all) !== undefined) ??
    dots[0]
  return at === undefined ? undefined : [key.slice(0, at), key.slice(at + 1)]
}

const parse = Effect.fnUntraced(function* (pipeline: Any, text: string) {
  const equals = text.indexOf("=")
  const parts = splitKey(pipeline, equals < 0 ? text : text.slice(0, equals))
  if (parts === undefined || equals < 0 || /\s/.test(parts[0])) {
    const example =
      parts !== undefined && !/\s/.test(text)
        ? `${text}=VALUE`
        : `${pipeline.nodes[0]?.name ?? "stage"}.${Object.keys(pipeline.nodes[0]?.stage.config.fields ?? {})[0] ?? "key"}=VALUE`
    return yield* new InvalidSettings({
      message: `${cited(text)}: write it as stage.key=value, such as ${example}.`
    })
  }
  const [stage, path] = parts
  const problem = unknownStage(pipeline, stage)
  if (problem !== undefined) return yield* new InvalidSettings({ message: `${cited(text)}: ${problem}` })
  const setting: Setting = { text, stage, path: path.trim().split("."), value: text.slice(equals + 1) }
  return setting
})

/** A setting as messages repeat it. */
const cited = (text: string): string => {
  const clean = withoutCredentials(text)
  return clean.length > 120 ? `Setting ${clean.slice(0, 119)}…` : `Setting ${clean}`
}

/** The list that a setting reaches past the end of: its path and its length. */
const pastEnd = (
  config: unknown,
  path: ReadonlyArray<string>
): { readonly list: string; readonly length: number } | undefined => {
  for (let depth = 0; depth < path.length; depth++) {
    const owner = Problems.valueAt(config, path.slice(0, depth))
    if (Array.isArray(owner) && Number(path[depth]) > owner.length)
      return { list: path.slice(0, depth).join("."), length: owner.length }
  }
  return undefined
}

/** A copy of `config` with `value` at `path`. */
const replaceAt = (config: unknown, path: ReadonlyArray<string>, value: unknown): unknown => {
  const [key, ...rest] = path
  if (key === undefined) return value
  if (Array.isArray(config) && /^\d+$/.test(key)) {
    const copy: Array<unknown> = [...config]
    copy[Number(key)] = replaceAt(copy[Number(key)], rest, value)
    return copy
  }
  const object = Predicate.isObject(config) ? (config as Readonly<Record<string, unknown>>) : {}
  return { ...object, [key]: replaceAt(object[key], rest, value) }
}

const decode = (node: Node, raw: unknown) =>
  Effect.result(Schema.decodeUnknownEffect(codecOf(node), { onExcessProperty: "error", errors: "all" })(raw))

const startsWith = (path: ReadonlyArray<PropertyKey>, start: ReadonlyArray<string>): boolean =>
  start.every((key, index) => String(path[index]) === key)

const problemsOf = (node: Node, raw: unknown, error: Schema.SchemaError) =>
  Problems.of({ name: node.name, schema: node.stage.config, raw }, error)

/** The config with one setting applied, in the first reading of its text that the stage's Schema accepts there. */
const apply = Effect.fnUntraced(function* (node: Node, raw: unknown, setting: Setting) {
  const past = pastEnd(raw, setting.path)
  if (past !== undefined) {
    return yield* new InvalidSettings({
      message: `${cited(setting.text)}: ${node.name}.${past.list} has ${past.length} ${past.length === 1 ? "entry" : "entries"}, numbered from 0. Change one of them, or add the next.`
    })
  }
  const candidates = possibleValues(setting.value).map((value) => replaceAt(raw, setting.path, value))
  for (const candidate of candidates) {
    const decoded = yield* decode(node, candidate)
    const fits =
      Result.isSuccess(decoded) ||
      !problemsOf(node, candidate, decoded.failure).some((problem) => startsWith(problem.path, setting.path))
    if (fits) return candidate
  }
  return candidates[0]
})

/** Why a config is refused, with the settings that led to it. */
const refusal = (
  node: Node,
  raw: unknown,
  settings: ReadonlyArray<Setting>,
  error: Schema.SchemaError
): InvalidSettings => {
  const problems = problemsOf(node, raw, error)
  const blamed = settings.filter((setting) =>
    problems.some(
      ({ path }) =>
        startsWith(path, setting.path) || startsWith(setting.path.slice(0, path.length), path.map(String))
    )
  )
  return new InvalidSettings({
    // What a Schema says of a value may hold the value itself.
    message: withoutCredentials(
      blamed.map((setting) => `${cited(setting.text)}: `).join("") +
        problems.map((problem) => problem.sentence).join(" ")
    )
  })
}

/** The config of one node, after its settings, decoded and encoded. */
const configOf = Effect.fnUntraced(function* (node: Node, settings: ReadonlyArray<Setting>) {
  let raw: unknown = node.config
  for (const setting of settings) raw = yield* apply(node, raw, setting)
  const decoded = yield* decode(node, raw)
  if (Result.isFailure(decoded)) return yield* refusal(node, raw, settings, decoded.failure)
  const encoded = yield* Schema.encodeUnknownEffect(codecOf(node))(decoded.success).pipe(
    Effect.mapError(
      (error) =>
        new InvalidSettings({
          message: `The config of ${node.name} cannot be encoded: ${error.message}`
        })
    )
  )
  return { config: decoded.success, encoded }
})

/**
 * Decodes the config of every node of a pipeline, after applying settings such as `tokenize.vocabularySize=8000` (nested keys with
 * dots; the value is JSON where it spells JSON, text otherwise).
 */
export const resolve = Effect.fn("Settings.resolve")(function* (
  pipeline: Any,
  texts: ReadonlyArray<string> = []
): Effect.fn.Return<ReadonlyMap<string, Settings>, InvalidSettings> {
  const settings = yield* Effect.forEach(texts, (text) => parse(pipeline, text))
  const resolved = new Map<string, Settings>()
  for (const node of pipeline.nodes) {
    resolved.set(
      node.name,
      yield* configOf(
        node,
        settings.filter((setting) => setting.stage === node.name)
      )
    )
  }
  return resolved
})
