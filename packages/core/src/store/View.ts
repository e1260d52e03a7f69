/**
 * How a kind of artifact is shown: its facts, what the summary of a run says of it, and what `inspect` shows. A view gives plain data,
 * so that one reader prints it and another writes it as JSON. Its code has no part in cache keys: changing a view runs no stage again.
 */
import { Effect, type FileSystem, type Path, Schema } from "effect"
import type { Fact } from "../events/RunEvent.ts"
import type { Artifact, Detail, Kind, Published, Shown, ValueOf, View } from "./Artifact.ts"
import type { Failure, Section, Services } from "./Section.ts"

export type { Detail, Published, View } from "./Artifact.ts"
export type { Failure, Line, Section, Services } from "./Section.ts"

export interface Options<K extends Kind> {
  /** The main facts, from the value alone. The runner publishes them when the artifact is made or reused. */
  readonly facts: (value: ValueOf<K>) => ReadonlyArray<Fact>
  /** What people open, as a path within the folder, "" for the folder itself: the summary of a run names it. */
  readonly result?: string
  /** What the summary of a run says. */
  readonly summary?: Shown<K>
  /** What `inspect` shows below the facts. */
  readonly sections?: Shown<K>
  readonly details?: Readonly<Record<string, Detail<K>>>
  /** How a folder of the kind is known without a manifest; without it, such folders are refused. */
  readonly published?: Published<K>
}

/** The view of an artifact could not be made. */
export class ViewError extends Schema.TaggedError<ViewError>()("ViewError", {
  kind: Schema.String,
  directory: Schema.NullOr(Schema.String),
  message: Schema.String
}) {}

/**
 * Declares the view of a kind.
 *
 * @example
 * ```ts
 * export const view: View.View = View.make(Corpus, {
 *   facts: ({ documents }) => [{ label: "documents", text: String(documents) }]
 * })
 * ```
 */
export const make = <K extends Kind>(kind: K, options: Options<K>): View => {
  const nothing = () => Effect.succeed([])
  // Only artifacts of this kind are handed to it: see `of`.
  return {
    kind: kind.name,
    result: undefined,
    summary: nothing,
    sections: nothing,
    details: {},
    ...(options as unknown as Partial<View> & Pick<View, "facts">)
  }
}

/** The view of a kind; undefined where it has none. */
export const of = Effect.fnUntraced(function* (kind: Kind) {
  const { view } = kind
  if (view === undefined) return undefined
  const failed = (why: string) =>
    new ViewError({
      kind: kind.name,
      directory: null,
      message: `The view of ${kind.name} artifacts cannot be loaded: ${why}`
    })
  const loaded = yield* Effect.tryPromise({ try: view, catch: (error) => failed(String(error)) })
  return loaded.view.kind === kind.name
    ? loaded.view
    : yield* failed(`its module has the view of ${loaded.view.kind}.`)
})

const failed = (view: View, directory: string, why: string) =>
  new ViewError({
    kind: view.kind,
    directory,
    message: `The ${view.kind} at ${directory} cannot be shown: ${why}${/[.!?]\s*$/.test(why) ? "" : "."}`
  })

/** An artifact's facts, by its view. */
export const facts = (view: View, artifact: Artifact): Effect.Effect<ReadonlyArray<Fact>, ViewError> =>
  Effect.try({
    try: () => view.facts(artifact.value),
    catch: (error) => failed(view, artifact.directory, String(error))
  })

/** Sections of an artifact; whatever goes wrong in making them is a `ViewError`. */
export const sections = (
  view: View,
  artifact: Artifact,
  make: () => Effect.Effect<ReadonlyArray<Section>, Failure, Services>
): Effect.Effect<ReadonlyArray<Section>, ViewError, FileSystem.FileSystem | Path.Path> =>
  Effect.suspend(make).pipe(
    Effect.scoped,
    Effect.mapError(({ message }) => failed(view, artifact.directory, message)),
    Effect.catchDefect((defect) => Effect.fail(failed(view, artifact.directory, String(defect))))
  )
