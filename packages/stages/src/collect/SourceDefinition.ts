/**
 * What a source is: a declared value that yields documents for `collect`. Every source is one, those of Trainyard included, so a package
 * can publish others. A source that is called with its settings is plain data, `{ type, …settings }`, which carries its declaration under a
 * symbol; the data alone goes into configs, cache keys and manifests.
 */
import { carriesCredentials } from "@trainyard/core/Credentials"
import type { Journal } from "@trainyard/core/Journal"
import { InvalidPipeline } from "@trainyard/core/Pipeline"
import type { ExternalServices } from "@trainyard/core/Stage"
import { type Effect, Predicate, Schema, SchemaGetter, type Scope, type Stream } from "effect"
import type { Downloads } from "./Downloads.ts"
import type { Statement } from "./folderLicences.ts"

/** A text that a source yields. */
export interface Document {
  /** Path within the source, with `/`. Globs are matched against it, and its ending is the document's kind. */
  readonly path: string
  /** The bytes of a file, in any encoding, or a text. */
  readonly content: Uint8Array | string
  /** SPDX expression, where the source states one. Without it: what the text's first lines state, then `SourceLicence`. */
  readonly licence?: string | null | undefined
  /** Where this document comes from, where that is more than the source's own name, such as a repository. */
  readonly origin?: string | undefined
  /** SHA-256 of the bytes (of a text in UTF-8), hexadecimal, where the source states it: a document that differs is left out. */
  readonly digest?: string | undefined
}

/** Something that is left out: it is counted, and listed in `skipped.jsonl`. A path that ends with `/` is a folder with all that is in it. */
export interface LeftOut {
  readonly path: string
  /** Why, in a few words that fit behind a number: "too large", "bad JSON". */
  readonly skipped: string
  /** Bytes, as far as known. */
  readonly size: number
}

/** The licence of all documents of the source that state none. It may come at any place among them. */
export interface SourceLicence {
  readonly sourceLicence: string | null
}

/** What a file states of the licence of its folder, for the documents below it that state none. It may come at any place among them. */
export interface FolderLicence {
  readonly statement: Statement
}

export type Item = Document | LeftOut | SourceLicence | FolderLicence

/** What `open` may use. */
export type Services = ExternalServices | Journal | Downloads | Scope.Scope

/** What `open` is given besides the settings. */
export interface OpenContext {
  /** The source's name in the corpus, for messages. */
  readonly origin: string
  /**
   * Whether the globs take a document, for sources that save work when they do not. A path that is not taken is counted by this call, so
   * ask once, and do not yield it. A source need not ask: what it yields is matched against the globs in any case.
   */
  readonly wanted: (path: string) => boolean
  /** Whether the globs exclude all that is in a folder, given without a `/` at its end. */
  readonly excludesFolder: (folder: string) => boolean
  /** Adds a sentence to the warnings about this source. */
  readonly warn: (message: string) => void
  /** A larger document is left out as "too large", so it need not be read. */
  readonly maximumFileBytes: number
  /** Compressed data that unpacks to more bytes is to be refused. */
  readonly maximumUnpackedBytes: number
}

/** A source that is ready to be read. */
export interface Opened {
  readonly documents: Stream.Stream<Item, unknown, Services>
  /** Whether something came over the network. False when absent. */
  readonly fetched?: boolean
  /** Absolute path of the folder or file that is read, where there is one on this machine: messages name it. */
  readonly location?: { readonly type: "folder" | "file"; readonly path: string }
}

/** A source's declaration, without the type of its settings. */
export interface Definition {
  readonly name: string
  /** `import.meta.url` of the source's module: its code is part of the cache key of corpora that use it. */
  readonly source: string
  readonly config: Schema.Struct<Schema.Struct.Fields>
  readonly origin: (config: unknown) => string
  readonly digest:
    | ((config: unknown, limits: Limits) => Effect.Effect<string, unknown, ExternalServices>)
    | undefined
  readonly open: (config: unknown, context: OpenContext) => Effect.Effect<Opened, unknown, Services>
}

/** What of `collect`'s config a digest may depend on. */
export type Limits = Pick<OpenContext, "maximumFileBytes">

// The same symbol in every copy of this module.
const TypeId: unique symbol = Symbol.for("@trainyard/stages/Source")

/** A source with its settings, as a pipeline writes it. */
export interface Source {
  readonly type: string
  readonly [TypeId]: Definition
}

/** A source with its settings decoded. */
export interface Bound {
  readonly definition: Definition
  readonly config: unknown
}

const globs = {
  /**
   * Globs of paths to collect, matched against the path within the source: `*`, `**`, `?`, `[a-z]`, `{c,h}`.
   * @defaultValue all paths
   */
  include: Schema.optionalKey(Schema.Array(Schema.NonEmptyString).pipe(Schema.check(Schema.isMinLength(1)))),
  /**
   * Globs of paths to leave out although `include` matches them.
   * @defaultValue none
   */
  exclude: Schema.optionalKey(Schema.Array(Schema.NonEmptyString)),
  /**
   * Whether the case of file endings matters in globs. When false, `*.c` also matches `A.C`.
   * @defaultValue `false`
   */
  caseSensitiveEndings: Schema.optionalKey(Schema.Boolean)
}
export type Globs = Schema.Struct<typeof globs>["Type"]

type Encoded<Fields extends Schema.Struct.Fields> = Schema.Struct<Fields>["Encoded"] & Globs
type Decoded<Fields extends Schema.Struct.Fields> = Schema.Struct<Fields>["Type"] & Globs

/** The arguments of `make`. */
export interface Options<Fields extends Schema.Struct.Fields, Name extends string = string> {
  /** Lower-case letters, digits, `-`. It begins the origin of documents, and is the `type` in configs. */
  readonly name: Name
  /** `import.meta.url` of the source's module: its code, and all that it imports, is part of the cache key. */
  readonly source: string
  /**
   * Fields of the config Schema. Every source also has `include`, `exclude` and `caseSensitiveEndings`. Settings are stored with what is
   * made from them, so an address that holds a password or token is refused: read secrets in `open`, from the environment.
   */
  readonly config: Fields
  /** What follows `name:` in the origin of documents, such as a path or a version. The name alone when absent. */
  readonly origin?: (config: Decoded<Fields>) => string
  /**
   * The external digest: of what the source reads that its settings do not pin, such as a file's bytes. It is part of the cache key.
   * Planning asks for it, so it must be quick. Absent for a source whose settings name exactly what is read.
   */
  readonly digest?: (
    config: Decoded<Fields>,
    limits: Limits
  ) => Effect.Effect<string, unknown, ExternalServices>
  /**
   * Makes the source ready (up to four sources at once) and gives its documents as a stream, which is read once, after the sources before
   * it. The documents must come in the same order each time. An error's `message` is shown to the user; where its `transient` is true, the
   * stage is tried again.
   */
  readonly open: (config: Decoded<Fields>, context: OpenContext) => Effect.Effect<Opened, unknown, Services>
}

/** A source's settings as a config holds them. */
export type SettingsOf<S> =
  S extends SourceOf<infer Fields, infer Name> ? { readonly type: Name } & Encoded<Fields> : never

/** A declared source: call it with settings to get a value for `collect({ sources: [...] })`. */
export interface SourceOf<Fields extends Schema.Struct.Fields, Name extends string = string>
  extends Definition {
  readonly name: Name

  (...args: {} extends Encoded<Fields> ? [settings?: Encoded<Fields>] : [settings: Encoded<Fields>]): Source
}

const namePattern = /^[a-z][a-z0-9-]*$/

/** Fields that no source can have, as they have a meaning already. */
const reserved = new Set(["type", ...Object.keys(globs)])

/** Paths of addresses with a password or token in a config. */
const secretsIn = (value: unknown, path: string): ReadonlyArray<string> =>
  typeof value === "string"
    ? carriesCredentials(value)
      ? [path]
      : []
    : Predicate.isObject(value)
      ? Object.entries(value).flatMap(([key, part]) => secretsIn(part, path === "" ? key : `${path}.${key}`))
      : []

const holdsNoSecret = Schema.makeFilter((config: unknown) => {
  const [path] = secretsIn(config, "")
  return path === undefined
    ? undefined
    : `${path} is an address that holds a user, password or token, and settings are stored and published with what is made. Leave it out; the source's documentation says where it reads credentials from`
})

/**
 * Declares a source. Throws `InvalidPipeline` where its name or a field's name cannot be used.
 *
 * @example
 * ```ts
 * export const notes = Source.make({
 *   name: "notes",
 *   source: import.meta.url,
 *   config: { file: Schema.NonEmptyString },
 *   origin: ({ file }) => file,
 *   digest: ({ file }) => Source.digestFiles([file]),
 *   open: ({ file }) => Effect.succeed({ documents: notesOf(file) })
 * })
 * ```
 */
export const make = <const Fields extends Schema.Struct.Fields, const Name extends string>(
  options: Options<Fields, Name>
): SourceOf<Fields, Name> => {
  const { digest, name, origin, source } = options
  const refuse = (why: string) =>
    new InvalidPipeline({
      pipeline: "",
      message: `The source ${JSON.stringify(name)} cannot be used: ${why}.`
    })
  if (!namePattern.test(name)) throw refuse('a source is named with lower-case letters, digits and "-"')
  const taken = Object.keys(options.config).find((field) => reserved.has(field))
  if (taken !== undefined)
    throw refuse(`every source has a setting "${taken}" already; name this field otherwise`)
  const definition: Definition = {
    name,
    source,
    config: Schema.Struct({ type: Schema.Literal(name), ...options.config, ...globs }),
    // Each is called with what its own Schema decoded.
    origin: (config) => {
      const rest = origin?.(config as Decoded<Fields>) ?? ""
      return rest === "" ? name : `${name}:${rest}`
    },
    digest: digest as Definition["digest"],
    open: options.open as Definition["open"]
  }
  const call = (settings: object = {}): Source => ({ type: name, ...settings, [TypeId]: definition })
  // A function's own `name` cannot be assigned, only defined.
  return Object.defineProperties(call, Object.getOwnPropertyDescriptors(definition)) as unknown as SourceOf<
    Fields,
    Name
  >
}

/** The declaration that a value carries; undefined for one that no declared source made. */
export const definitionOf = (value: unknown): Definition | undefined =>
  Predicate.hasProperty(value, TypeId) ? (value[TypeId] as Definition) : undefined

const isBound = (value: unknown): value is Bound =>
  Predicate.hasProperty(value, "definition") && Predicate.hasProperty(value, "config")

const BoundSchema = Schema.declare(isBound)

/** A source's settings as they are written, decoded together with the source. */
const schemaOf = (definition: Definition): Schema.Codec<Bound, unknown> =>
  definition.config.check(holdsNoSecret).pipe(
    Schema.decodeTo(BoundSchema, {
      decode: SchemaGetter.transform((config: unknown): Bound => ({ definition, config })),
      encode: SchemaGetter.transform(({ config }: Bound) => config as never)
    })
  ) as unknown as Schema.Codec<Bound, unknown>

/** Settings of any of these sources, distinguished by their `type`. */
export const oneOf = (definitions: ReadonlyArray<Definition>): Schema.Codec<Bound, unknown> =>
  Schema.Union(definitions.map(schemaOf))

/** A source as `collect` declares that it takes it: what it decodes is settled where the stage is placed, from the sources it is given. */
export const Any = BoundSchema as unknown as Schema.Codec<Bound, Source>

/** The globs of a decoded source. */
export const globsOf = ({ config }: Bound): Globs => config as Globs

export const originOf = ({ config, definition }: Bound): string => definition.origin(config)
