/**
 * The name of an artifact: a digest of everything that made it. The key parts are kept in the artifact's manifest, so that a plan
 * can say which of them changed.
 */
import { Context, Equal, Predicate, Schema } from "effect"
import { withoutCredentials } from "../events/Credentials.ts"
import type { Declaration, ExternalDigest } from "../graph/Stage.ts"
import { canonical, shortDigest } from "../store/Digest.ts"
import { Code } from "./Code.ts"

/** What computes, as far as results depend on it. */
export const Compute = Schema.Struct({
  /** Name of the engine, such as "cpu". */
  engine: Schema.String,
  /** Precision of its arithmetic, such as "f32". */
  precision: Schema.String,
  /** Digest of the engine's kernels and of what chooses among them. Absent in manifests of versions that did not count it. */
  build: Schema.optionalKey(Schema.String)
})
export type Compute = typeof Compute.Type

/**
 * The engine that stages with `usesBackend` will run on, provided by what selects it. `description` goes into the run's first event:
 * engine, precision, threads and why they were chosen.
 */
export interface Identity {
  readonly engine: string
  readonly precision: string
  readonly description: string
  /** URLs of the engine's modules that decide its results: they are hashed as the code of stages is. */
  readonly sources: ReadonlyArray<string>
  /** Digest of its compiled kernels; empty when the modules are all there is. */
  readonly kernels: string
}

export const ComputeIdentity: Context.Reference<Identity | undefined> = Context.Reference<
  Identity | undefined
>("@trainyard/core/ComputeIdentity", { defaultValue: () => undefined })

export const KeyParts = Schema.Struct({
  stage: Schema.String,
  version: Schema.Int,
  /** Kind of artifact and its version, as `corpus@1`. */
  output: Schema.String,
  /** The config as it is written, defaults filled in, without `excludeFromCacheKey`. */
  config: Schema.Record(Schema.String, Schema.Unknown),
  /** Cache key of each input. */
  inputs: Schema.Record(Schema.String, Schema.String),
  code: Code,
  /** Digest, or digests by name, of what else the stage reads; null for a stage without an external digest. */
  externalDigest: Schema.NullOr(Schema.Union([Schema.String, Schema.Record(Schema.String, Schema.String)])),
  /** Null for a stage that does not compute, or when no engine was named. */
  compute: Schema.NullOr(Compute)
})
export type KeyParts = typeof KeyParts.Type

/** 32 hexadecimal digits. Of the code, its digest and packages count: where it lies in files only tells a reader where it changed. */
export const of = ({ code: { digest, packages }, ...keyParts }: KeyParts): string =>
  shortDigest(canonical({ ...keyParts, code: { digest, packages } }))

/** An engine's build: 32 hexadecimal digits of the code of its modules and of its kernels. */
export const buildOf = (codes: ReadonlyArray<Code>, kernels: string): string =>
  shortDigest(canonical([kernels, ...codes.map(({ digest, packages }) => ({ digest, packages }))]))

/** Gathers the key parts of a stage's artifact. */
export const keyParts = (options: {
  readonly stage: Declaration
  readonly config: Readonly<Record<string, unknown>>
  readonly inputs: Readonly<Record<string, string>>
  readonly code: Code
  readonly externalDigest: ExternalDigest | null
  readonly compute: Compute | null
}): KeyParts => ({
  stage: options.stage.name,
  version: options.stage.version,
  output: `${options.stage.output.name}@${options.stage.output.version}`,
  config: Object.fromEntries(
    Object.entries(options.config).filter(
      ([key, value]) => value !== undefined && !options.stage.excludeFromCacheKey.includes(key)
    )
  ),
  inputs: options.inputs,
  code: options.code,
  externalDigest: options.externalDigest,
  compute: options.stage.usesBackend ? options.compute : null
})

const show = (value: unknown): string => {
  if (value === undefined) return "nothing"
  const text = withoutCredentials(typeof value === "string" ? value : JSON.stringify(value))
  return text.length > 40 ? `${text.slice(0, 37)}…` : text
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  Predicate.isObject(value) && !Array.isArray(value)

// A config may have a key that every object inherits, such as "constructor".
const own = (record: Readonly<Record<string, unknown>>, key: string): unknown =>
  Object.hasOwn(record, key) ? record[key] : undefined

const changes = (path: string, before: unknown, after: unknown): ReadonlyArray<string> => {
  if (Equal.equals(before, after) || canonical(before) === canonical(after)) return []
  if (isRecord(before) && isRecord(after)) {
    return [...new Set([...Object.keys(after), ...Object.keys(before)])].flatMap((key) =>
      changes(`${path}.${key}`, own(before, key), own(after, key))
    )
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    return Array.from({ length: Math.max(before.length, after.length) }, (_, index) =>
      changes(`${path}.${index}`, before[index], after[index])
    ).flat()
  }
  return [`${path} ${show(before)} → ${show(after)}`]
}

const few = (items: ReadonlyArray<string>, separator: string): string =>
  items.length <= 3
    ? items.join(separator)
    : `${items.slice(0, 3).join(separator)} and ${items.length - 3} more`

const baseName = (label: string): string => label.slice(label.lastIndexOf("/") + 1)

const codeChange = (before: Code, after: Code): string | undefined => {
  const files = [...new Set([...Object.keys(after.files), ...Object.keys(before.files)])]
    .filter((file) => before.files[file] !== after.files[file])
    .filter((file) => file !== after.entry)
    .map((file) =>
      after.files[file] === undefined
        ? `${baseName(file)} no longer used`
        : before.files[file] === undefined
          ? `${baseName(file)} now used`
          : baseName(file)
    )
  const packages = [...new Set([...Object.keys(after.packages), ...Object.keys(before.packages)])]
    .filter((name) => before.packages[name] !== after.packages[name])
    .map((name) => `${name} ${before.packages[name] ?? "unused"} → ${after.packages[name] ?? "unused"}`)
  const all = [...files, ...packages]
  if (before.digest === undefined && after.digest !== undefined) {
    return `code of ${baseName(after.entry)} is counted in another way: what it uses, not whole files`
  }
  const own = before.files[before.entry] !== after.files[after.entry]
  const changed = before.digest !== after.digest || packages.length > 0
  if (!changed) return undefined
  if (all.length === 0) return `code of ${baseName(after.entry)} changed`
  return `code of ${baseName(after.entry)} changed: ${few(own ? [baseName(after.entry), ...all] : all, ", ")}`
}

/** Names what changed where both sides name their parts. */
const externalChange = (
  before: KeyParts["externalDigest"],
  after: KeyParts["externalDigest"]
): string | undefined => {
  if (canonical(before) === canonical(after)) return undefined
  if (!isRecord(before) || !isRecord(after)) return "what it reads beside its inputs changed"
  const names = [...new Set([...Object.keys(after), ...Object.keys(before)])]
  return few(
    names.flatMap((name) => changes(name, own(before, name), own(after, name))),
    ", "
  )
}

const computeText = (compute: Compute | null): string =>
  compute === null ? "no engine" : `${compute.engine} ${compute.precision}`

const computeChange = (before: Compute | null, after: Compute | null): string | undefined => {
  if (computeText(before) !== computeText(after))
    return `engine ${computeText(before)} → ${computeText(after)}`
  return before?.build === after?.build ? undefined : `build of the ${after?.engine} engine changed`
}

/** What differs between two sets of key parts, in one line; undefined when nothing does. */
export const difference = (before: KeyParts, after: KeyParts): string | undefined => {
  const config = changes("config", before.config, after.config)
  const inputs = [...new Set([...Object.keys(after.inputs), ...Object.keys(before.inputs)])].filter(
    (input) => before.inputs[input] !== after.inputs[input]
  )
  const reasons = [
    before.version === after.version ? undefined : `version ${before.version} → ${after.version}`,
    before.output === after.output ? undefined : `makes ${after.output} instead of ${before.output}`,
    config.length === 0 ? undefined : few(config, ", "),
    codeChange(before.code, after.code),
    externalChange(before.externalDigest, after.externalDigest),
    computeChange(before.compute, after.compute),
    inputs.length === 0 ? undefined : `input${inputs.length > 1 ? "s" : ""} ${inputs.join(", ")} changed`
  ].filter((reason) => reason !== undefined)
  return reasons.length === 0 ? undefined : reasons.join("; ")
}
