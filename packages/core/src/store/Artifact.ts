/**
 * Artifacts: what stages make and take. A kind of artifact has a name, a version and a Schema for its value; an artifact is one
 * such value with the folder of files that belongs to it and the cache key that names it.
 */
import type { Effect, Schema } from "effect"
import type { Metric } from "../events/Comparison.ts"
import type { Fact } from "../events/RunEvent.ts"
import type { Failure, Section, Services } from "./Section.ts"

/** A kind of artifact, such as "corpus". */
export interface Kind<Name extends string = string, Value = unknown> {
  readonly name: Name
  /** Raised when the files or the value change shape: older artifacts are then made again. */
  readonly version: number
  /** The artifact's own account of itself: counts, settings, file names. Kept in its manifest as JSON. */
  readonly value: Schema.Codec<Value, unknown>
  /** The figures by which artifacts of this kind are compared at the end of a sweep, the one that ranks them first. */
  metrics?(value: Value): ReadonlyArray<Metric>
  /** How an artifact is shown, in a module of its own that exports `view`. Without one, its value and its files are. */
  readonly view?: (() => Promise<{ readonly view: View }>) | undefined
}

/**
 * Declares a kind of artifact.
 *
 * @example
 * ```ts
 * export const Corpus = Artifact.kind({
 *   name: "corpus",
 *   version: 1,
 *   value: Schema.Struct({ documents: Schema.Int }),
 *   view: () => import("./view.ts")
 * })
 * ```
 */
export const kind = <const Name extends string, Value>(options: {
  readonly name: Name
  readonly version: number
  readonly value: Schema.Codec<Value, unknown>
  readonly metrics?: (value: Value) => ReadonlyArray<Metric>
  readonly view?: (() => Promise<{ readonly view: View }>) | undefined
}): Kind<Name, Value> => options

/** A whole, verified artifact in the store. */
export interface Artifact<K extends Kind = Kind> {
  readonly kind: K["name"]
  readonly value: ValueOf<K>
  /** Absolute path of the folder with the artifact's files. Read only. */
  readonly directory: string
  /** Name of the artifact: what made it, hashed (hexadecimal). */
  readonly cacheKey: string
}

export type ValueOf<K extends Kind> = K extends Kind<string, infer Value> ? Value : never

/** Sections that show an artifact of a kind. */
export type Shown<K extends Kind> = (
  artifact: Artifact<K>
) => Effect.Effect<ReadonlyArray<Section>, Failure, Services>

/** Something that is shown when it is asked for by name, with an argument. */
export interface Detail<K extends Kind = Kind> {
  /** What stands for the argument in help: "N", "TEXT". */
  readonly argument: string
  readonly description: string
  /** Fails with a sentence when the argument does not fit. */
  readonly show: (
    artifact: Artifact<K>,
    argument: string
  ) => Effect.Effect<ReadonlyArray<Section>, Failure, Services>
}

/** How a folder that has no manifest is recognised and opened: one that was copied without it, or that another program made. */
export interface Published<K extends Kind = Kind> {
  /** Files that every folder of the kind has, and no folder of another kind, but one that holds this kind's and more. */
  readonly files: ReadonlyArray<string>
  /** The file that makes two folders with the same value different: its digest is part of the artifact's key. */
  readonly digested: string
  /** The artifact's value from a folder's files. Fails with a sentence that names the folder and what is wrong with it. */
  readonly open: (directory: string) => Effect.Effect<ValueOf<K>, Failure, Services>
}

/** A view without the type of its kind. */
export interface View {
  /** Name of the kind that it shows. */
  readonly kind: string
  readonly facts: (value: unknown) => ReadonlyArray<Fact>
  readonly result: string | undefined
  readonly summary: Shown<Kind>
  readonly sections: Shown<Kind>
  readonly details: Readonly<Record<string, Detail>>
  /** Absent where folders of the kind cannot be told without a manifest. */
  readonly published?: Published | undefined
}
