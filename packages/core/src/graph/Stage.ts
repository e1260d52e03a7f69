/**
 * A stage turns artifacts into an artifact. It declares its name, version, config, inputs, output, retries and an Effect;
 * calling it with nodes and config, inside `Pipeline.make`, places it in a pipeline's graph. Nothing runs by that.
 */
import { type Effect, type FileSystem, type Path, type Schedule, Schema, type Scope } from "effect"
import type { ChildProcessSpawner } from "effect/process"

import type { Artifact, Kind, ValueOf } from "../store/Artifact.ts"
import type { Workspace } from "../store/Workspace.ts"

/** An input that may be of any one of several kinds, or may be left out. A kind alone is an input that must be given. */
export interface Input<out K extends Kind = Kind, out Optional extends boolean = boolean> {
  readonly kinds: ReadonlyArray<K>
  readonly optional: Optional
}

/** What a stage declares its inputs with. */
export type Inputs = Readonly<Record<string, Kind | Input>>

/** An input that must be given, of any one of these kinds. The artifact's `kind` tells which it is. */
export const oneOf = <const Kinds extends ReadonlyArray<Kind>>(
  ...kinds: Kinds
): Input<Kinds[number], false> => ({ kinds, optional: false })

/**
 * An input that may be left out, of any one of these kinds. The stage's Effect sees undefined where it was left out, and the cache key of
 * what it makes has no trace of it.
 *
 * @example
 * ```ts
 * inputs: { dataset: Dataset, from: Stage.optional(TrainedRun, Model) }
 * ```
 */
export const optional = <const Kinds extends ReadonlyArray<Kind>>(
  ...kinds: Kinds
): Input<Kinds[number], true> => ({ kinds, optional: true })

/** The kinds that an input accepts. */
export const kindsOf = (input: Kind | Input): ReadonlyArray<Kind> =>
  "kinds" in input ? input.kinds : [input]

const isOptional = (input: Kind | Input | undefined): boolean =>
  input !== undefined && "kinds" in input && input.optional

type KindOf<I> = I extends Input<infer K, boolean> ? K : I extends Kind ? I : never
// One artifact type for each kind, so that `kind` tells them apart.
type ArtifactOf<K> = K extends Kind ? Artifact<K> : never
type Given<I> = ArtifactOf<KindOf<I>> | (I extends Input<Kind, true> ? undefined : never)
type OptionalIn<I> = { readonly [K in keyof I]: I[K] extends Input<Kind, true> ? K : never }[keyof I]

/** What a stage's Effect is given. */
export interface Context<I extends Inputs, Config> {
  /** Name of this node in the pipeline; the stage's own unless the pipeline gave another. */
  readonly name: string
  /** The artifact of each input; undefined for an optional one that was left out. */
  readonly inputs: { readonly [K in keyof I]: Given<I[K]> }
  readonly config: Config
  /** An empty folder to write the artifact's files into. It becomes the artifact when the Effect succeeds, and vanishes otherwise. */
  readonly output: string
  /**
   * A folder that outlives failed, interrupted and killed attempts at this cache key, for work that can be resumed. It is removed once
   * the artifact is complete.
   */
  readonly scratch: string
  /** Digest of the code that is at work, for a stage that keeps work between runs under keys of its own. Absent where nobody computed it. */
  readonly code?: string | undefined
}

/**
 * A digest of what a stage reads beside its inputs and config; or one by name for each such thing, a version or a digest, so that a plan
 * can say which of them changed.
 */
export type ExternalDigest = string | Readonly<Record<string, string>>

/** A module of which a declaration's code counts: `import.meta.url` of the module, and the name that is declared in it. */
export interface CodeModule {
  readonly source: string
  readonly name: string
}

/** What computing an external digest may use. */
export type ExternalServices =
  | FileSystem.FileSystem
  | Path.Path
  | Workspace
  | ChildProcessSpawner.ChildProcessSpawner

/** A stage's declaration, without the types of what it takes and gives. */
export interface Declaration {
  readonly name: string
  readonly version: number
  /** `import.meta.url` of the stage's module: the code that is hashed, with all that it imports. */
  readonly source: string
  readonly inputs: Inputs
  readonly config: Schema.Struct<Schema.Struct.Fields>
  readonly output: Kind
  /** Whether the result depends on the engine and its precision, which then become part of the cache key. */
  readonly usesBackend: boolean
  /** False for a stage whose effect is the point (`clean`): it runs each time. */
  readonly reusable: boolean
  /** Config keys that say how to work and not what to make (`sampleEvery`, thresholds of display): left out of the cache key. */
  readonly excludeFromCacheKey: ReadonlyArray<string>
  /** Checks the artifact's value, new or reused: a sentence when a gate fails, undefined when all pass. */
  readonly gate: (value: unknown) => string | undefined
}

/** Type-level description of a node: what it makes, how it fails, what it needs. */
export interface Node<out Out extends Kind = Kind, out E = unknown, out R = unknown> {
  readonly _tag: "Node"
  readonly name: string
  readonly stage: Declaration
  readonly kind: Out
  /** The nodes that feed it; an optional input that was left out is absent. */
  readonly inputs: Readonly<Record<string, Node>>
  /** Nodes that must be done first though nothing of theirs is read. */
  readonly after: ReadonlyArray<Node>
  /** The config as the pipeline wrote it, not yet decoded. */
  readonly config: Readonly<Record<string, unknown>>
  readonly run: (
    context: Context<Record<string, Kind>, unknown>
  ) => Effect.Effect<unknown, E, R | Scope.Scope>
  readonly retry: Schedule.Schedule<unknown, unknown> | undefined
  /** See `Options`. Undefined for a stage that reads nothing but its inputs and config. */
  readonly externalDigest:
    | ((config: unknown) => Effect.Effect<ExternalDigest, unknown, ExternalServices>)
    | undefined
  /** See `Options`. Undefined for a stage whose code is that of its own module. */
  readonly modules?: ((config: unknown) => ReadonlyArray<CodeModule>) | undefined
}

export type ErrorOf<N> = N extends Node<Kind, infer E, unknown> ? E : never
export type ServicesOf<N> = N extends Node<Kind, unknown, infer R> ? R : never

/** Arguments every stage takes besides its inputs and config. */
export interface Placement {
  /** Another name for this node, when a pipeline uses a stage twice. Letters, digits, `-`. */
  readonly name?: string
  /** Nodes that must be done first though nothing of theirs is read. */
  readonly after?: ReadonlyArray<Node>
}

/** What a stage is called with: a node for each input, its config as it is written, and its placement. */
export type Arguments<I extends Inputs, Fields extends Schema.Struct.Fields> = {
  readonly [K in Exclude<keyof I, OptionalIn<I>>]: Node<KindOf<I[K]>>
} & { readonly [K in OptionalIn<I>]?: Node<KindOf<I[K]>> | undefined } & Schema.Struct<Fields>["Encoded"] &
  Placement

/** Used instead of a type, so that the compiler's message says what is wrong. */
export interface NoSuchInputOrSetting<Name> {
  readonly "this stage has no input or setting of this name": Name
}

type Excess<A, Allowed extends PropertyKey> = {
  readonly [K in Exclude<keyof A, Allowed>]: NoSuchInputOrSetting<K>
}

type NodesIn<A, I> =
  | A[Extract<keyof A, keyof I>]
  | (A extends { readonly after: ReadonlyArray<infer N> } ? N : never)

type CallParameters<A, I extends Inputs, Fields extends Schema.Struct.Fields> =
  {} extends Arguments<I, Fields>
    ? [args?: A & Excess<A, keyof I | keyof Fields | keyof Placement>]
    : [args: A & Excess<A, keyof I | keyof Fields | keyof Placement>]

/** A stage, ready to be placed: call it with nodes and config. `Least` is what a call must have beyond that: see `requiring`. */
export interface Stage<
  I extends Inputs,
  Fields extends Schema.Struct.Fields,
  Out extends Kind,
  E,
  R,
  Least = unknown
> extends Declaration {
  <const A extends Arguments<I, Fields> & Least>(
    ...args: CallParameters<A, I, Fields>
  ): Node<Out, E | ErrorOf<NodesIn<A, I>>, R | ServicesOf<NodesIn<A, I>>>
}

/** The definition of a stage that `make` takes. */
export interface Options<I extends Inputs, Fields extends Schema.Struct.Fields, Out extends Kind, E, R> {
  /** Letters, digits, `-`: it names folders. */
  readonly name: string
  /** Raised when what the stage means changes though its code does not. */
  readonly version: number
  /** `import.meta.url` of the stage's module: its code, and all that it imports, is part of its artifacts' names. */
  readonly source: string
  /** Kinds of the artifacts that it reads, by the names under which it is given them. */
  readonly inputs: I
  /** Fields of the config Schema. Give every field that has a sensible value a default. */
  readonly config: Fields
  /**
   * Says in a sentence why values that are each valid cannot be combined, naming their keys; undefined when they can. Such a config is
   * refused before anything runs. `given` says of each input whether the pipeline gives it, which matters for optional ones.
   */
  readonly validateConfig?: (
    config: Schema.Struct<Fields>["Type"],
    given: { readonly [K in keyof I]: boolean }
  ) => string | undefined
  readonly output: Out
  readonly usesBackend?: boolean
  readonly reusable?: boolean
  readonly excludeFromCacheKey?: ReadonlyArray<Extract<keyof Fields, string>>
  /** A sentence when the value fails a gate: the artifact is kept, the run fails (exit code 3). */
  readonly gate?: (value: ValueOf<Out>) => string | undefined
  /** Applied to errors whose `transient` is true; other errors are final. */
  readonly retry?: Schedule.Schedule<unknown, unknown>
  /**
   * The external digest: of what the stage reads beside its inputs and config, such as the files of a folder that the config names, or
   * a program of this machine. It is part of the cache key, so that a change there runs the stage again. Planning asks for it, so
   * it must be quick. When it fails, the stage is planned to run, and says itself what is wrong.
   */
  readonly externalDigest?: (
    config: Schema.Struct<Fields>["Type"]
  ) => Effect.Effect<ExternalDigest, unknown, ExternalServices>
  /**
   * Modules whose code is part of the cache key besides the stage's own: those of values that the config names and that were declared
   * elsewhere, such as the sources of `collect`.
   */
  readonly modules?: (config: Schema.Struct<Fields>["Type"]) => ReadonlyArray<CodeModule>
  readonly run: (
    context: Context<I, Schema.Struct<Fields>["Type"]>
  ) => Effect.Effect<ValueOf<Out>, E, R | Scope.Scope>
}

/**
 * Declares a stage.
 *
 * @example
 * ```ts
 * export const count = Stage.make({
 *   name: "count",
 *   version: 1,
 *   source: import.meta.url,
 *   inputs: { corpus: Corpus },
 *   config: { suffix: Schema.String.pipe(Schema.withDecodingDefault(Effect.succeed(".c"))) },
 *   output: Count,
 *   run: ({ config, inputs }) => Effect.succeed({ files: 3 })
 * })
 * ```
 */
export const make = <
  const I extends Inputs,
  const Fields extends Schema.Struct.Fields,
  Out extends Kind,
  E = never,
  R = never
>(
  options: Options<I, Fields, Out, E, R>
): Stage<I, Fields, Out, E, Exclude<R, Scope.Scope>> => {
  const { validateConfig } = options
  const config = Schema.Struct(options.config)
  const inputNames = Object.keys(options.inputs)
  const configOf = (isGiven: (input: string) => boolean) => {
    if (validateConfig === undefined) return config
    const given = Object.fromEntries(inputNames.map((input) => [input, isGiven(input)]))
    return config.check(
      Schema.makeFilter((values) => validateConfig(values, given as { readonly [K in keyof I]: boolean }))
    )
  }
  const declaration: Declaration = {
    name: options.name,
    version: options.version,
    source: options.source,
    inputs: options.inputs,
    config: configOf((input) => !isOptional(options.inputs[input])),
    output: options.output,
    usesBackend: options.usesBackend ?? false,
    reusable: options.reusable ?? true,
    excludeFromCacheKey: options.excludeFromCacheKey ?? [],
    gate: (options.gate ?? (() => undefined)) as Declaration["gate"]
  }
  const place = (args: Readonly<Record<string, unknown>> = {}): Node => {
    const { after, name, ...rest } = args as Readonly<Record<string, unknown>> & Placement
    const given = inputNames.filter((key) => rest[key] !== undefined || !isOptional(options.inputs[key]))
    return {
      _tag: "Node",
      name: name ?? options.name,
      stage: inputNames.some((key) => isOptional(options.inputs[key]))
        ? { ...declaration, config: configOf((key) => given.includes(key)) }
        : declaration,
      kind: options.output,
      inputs: Object.fromEntries(given.map((key) => [key, rest[key] as Node])),
      after: after ?? [],
      config: Object.fromEntries(Object.entries(rest).filter(([key]) => !inputNames.includes(key))),
      run: options.run as Node["run"],
      retry: options.retry,
      externalDigest: options.externalDigest as Node["externalDigest"],
      modules: options.modules as Node["modules"]
    }
  }
  // A function's own `name` cannot be assigned, only defined.
  return Object.defineProperties(place, Object.getOwnPropertyDescriptors(declaration)) as unknown as Stage<
    I,
    Fields,
    Out,
    E,
    Exclude<R, Scope.Scope>
  >
}

/**
 * The same stage, whose calls must also have what `Least` says: for an argument that is needed only where an optional input is left out.
 * Checked by the compiler only; check it in `validateConfig` too, for those who run without one.
 *
 * @example
 * ```ts
 * export const train = Stage.requiring<{ readonly model: GptShape } | { readonly from: Node }>()(stage)
 * ```
 */
export const requiring =
  <Least>() =>
  <I extends Inputs, Fields extends Schema.Struct.Fields, Out extends Kind, E, R>(
    stage: Stage<I, Fields, Out, E, R>
  ): Stage<I, Fields, Out, E, R, Least> =>
    stage
