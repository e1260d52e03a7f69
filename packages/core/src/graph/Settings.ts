/**
 * The config of each stage: what the pipeline wrote, changed by `stage.key=value` settings, decoded by the stage's own Schema with
 * unknown keys refused. Every refusal says what is allowed.
 */
import { Effect, Predicate, Result, Schema, SchemaAST, SchemaIssue } from "effect"
import { withoutCredentials } from "../events/Credentials.ts"
import type { Any } from "./Pipeline.ts"
import { list, suggestion } from "./Spelling.ts"
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

const parse = Effect.fnUntraced(function* (pipeline: Any, text: string) {
  const match = /^([^.=\s]+)\.([^=]+)=(.*)$/s.exec(text)
  if (match === null) {
    const example = /^[^.=\s]+\.[^=\s]+$/.test(text)
      ? `${text}=VALUE`
      : `${pipeline.nodes[0]?.name ?? "stage"}.${Object.keys(pipeline.nodes[0]?.stage.config.fields ?? {})[0] ?? "key"}=VALUE`
    return yield* new InvalidSettings({
      message: `${cited(text)}: write it as stage.key=value, such as ${example}.`
    })
  }
  const setting: Setting = {
    text,
    stage: match[1]!,
    path: match[2]!.trim().split("."),
    value: match[3]!
  }
  const problem = unknownStage(pipeline, setting.stage)
  if (problem !== undefined) return yield* new InvalidSettings({ message: `${cited(text)}: ${problem}` })
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
    const owner = valueAt(config, path.slice(0, depth))
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

const valueAt = (config: unknown, path: ReadonlyArray<PropertyKey>): unknown =>
  path.reduce<unknown>(
    (value, key) => (Predicate.hasProperty(value, key) ? value[key as keyof typeof value] : undefined),
    config
  )

/** Keys that a Schema allows at a path of its encoded form; empty where it has no fixed keys. */
const keysAt = (ast: SchemaAST.AST, path: ReadonlyArray<PropertyKey>): ReadonlyArray<string> => {
  if (SchemaAST.isSuspend(ast)) return keysAt(ast.thunk(), path)
  if (SchemaAST.isUnion(ast)) return [...new Set(ast.types.flatMap((type) => keysAt(type, path)))]
  const [key, ...rest] = path
  if (SchemaAST.isArrays(ast)) {
    if (key === undefined) return []
    const element = ast.elements[Number(key)] ?? ast.rest[0]
    return element === undefined ? [] : keysAt(element, rest)
  }
  if (!SchemaAST.isObjects(ast)) return []
  if (key === undefined) return ast.propertySignatures.map((property) => String(property.name))
  const property = ast.propertySignatures.find((candidate) => candidate.name === key)
  if (property !== undefined) return keysAt(property.type, rest)
  return ast.indexSignatures[0] === undefined ? [] : keysAt(ast.indexSignatures[0].type, rest)
}

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()

interface Problem {
  readonly path: ReadonlyArray<PropertyKey>
  readonly sentence: string
}

const show = (value: unknown): string => {
  const json = value === undefined ? "nothing" : JSON.stringify(value)
  const text = json === undefined ? undefined : withoutCredentials(json)
  return text === undefined ? String(value) : text.length > 60 ? `${text.slice(0, 57)}…` : text
}

const problemsOf = (
  node: Node,
  raw: unknown,
  error: Schema.SchemaError
): readonly [Problem, ...Array<Problem>] => {
  const encoded = SchemaAST.toEncoded(node.stage.config.ast)
  const problems = formatIssue(error.issue).issues.map((issue): Problem => {
    const path = (issue.path ?? []).map((segment) =>
      Predicate.isObject(segment) && Predicate.hasProperty(segment, "key")
        ? (segment.key as PropertyKey)
        : (segment as PropertyKey)
    )
    const key = String(path.at(-1) ?? "")
    const where = [node.name, ...path.map(String)].join(".")
    const parent = path.slice(0, -1)
    const owner = [node.name, ...parent.map(String)].join(".")
    const allowed = keysAt(encoded, parent)
    if (/no excess property/i.test(issue.message)) {
      return {
        path,
        sentence:
          allowed.length === 0
            ? `${owner} has no settings, so "${key}" cannot be set.`
            : `${owner} has no setting "${key}".${suggestion(key, allowed)} Its settings: ${list(allowed)}.`
      }
    }
    if (/missing key/i.test(issue.message)) {
      return { path, sentence: `${owner} needs a value for "${key}".` }
    }
    // A contradiction between values, in the stage's own words.
    if (path.length === 0) return { path, sentence: `${node.name}: ${issue.message}` }
    const expected = issue.message.charAt(0).toLowerCase() + issue.message.slice(1)
    const inner = keysAt(encoded, path)
    return {
      path,
      sentence: `${where} is ${show(valueAt(raw, path))}: ${expected}.${
        inner.length > 0 && !Predicate.isObject(valueAt(raw, path)) ? ` Its settings: ${list(inner)}.` : ""
      }`
    }
  })
  const [first, ...rest] = problems
  return first === undefined
    ? [{ path: [], sentence: `${node.name}: ${error.message}` }]
    : // One wrong value can break several alternatives of a union; say each thing once.
      [first, ...rest.filter((problem) => problem.sentence !== first.sentence)]
}

const decode = (node: Node, raw: unknown) =>
  Effect.result(Schema.decodeUnknownEffect(codecOf(node), { onExcessProperty: "error", errors: "all" })(raw))

const startsWith = (path: ReadonlyArray<PropertyKey>, start: ReadonlyArray<string>): boolean =>
  start.every((key, index) => String(path[index]) === key)

/** What a setting's text may mean: the JSON value it spells, else the text itself. */
const readings = (text: string): ReadonlyArray<unknown> =>
  Result.match(Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Unknown))(text), {
    onFailure: () => [text],
    onSuccess: (value) => (typeof value === "string" ? [value] : [value, text])
  })

const settle = Effect.fnUntraced(function* (node: Node, settings: ReadonlyArray<Setting>) {
  let raw: unknown = node.config
  for (const setting of settings) {
    const past = pastEnd(raw, setting.path)
    if (past !== undefined) {
      return yield* new InvalidSettings({
        message: `${cited(setting.text)}: ${node.name}.${past.list} has ${past.length} ${past.length === 1 ? "entry" : "entries"}, numbered from 0. Change one of them, or add the next.`
      })
    }
    const candidates = readings(setting.value).map((value) => replaceAt(raw, setting.path, value))
    raw = candidates[0]
    for (const candidate of candidates) {
      const decoded = yield* decode(node, candidate)
      const fits =
        Result.isSuccess(decoded) ||
        !problemsOf(node, candidate, decoded.failure).some((problem) =>
          startsWith(problem.path, setting.path)
        )
      if (fits) {
        raw = candidate
        break
      }
    }
  }
  const decoded = yield* decode(node, raw)
  if (Result.isFailure(decoded)) {
    const problems = problemsOf(node, raw, decoded.failure)
    const blamed = settings.filter((setting) =>
      problems.some(
        (problem) =>
          startsWith(problem.path, setting.path) ||
          startsWith(setting.path.slice(0, problem.path.length), problem.path.map(String))
      )
    )
    const origin = blamed.length > 0 ? blamed.map((setting) => `${cited(setting.text)}: `).join("") : ""
    return yield* new InvalidSettings({
      // What a Schema says of a value may hold the value itself.
      message: withoutCredentials(origin + problems.map((problem) => problem.sentence).join(" "))
    })
  }
  const encoded = yield* Schema.encodeUnknownEffect(codecOf(node))(decoded.success).pipe(
    Effect.mapError(
      (error) =>
        new InvalidSettings({
          message: `The config of ${node.name} cannot be written down: ${error.message}`
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
      yield* settle(
        node,
        settings.filter((setting) => setting.stage === node.name)
      )
    )
  }
  return resolved
})
