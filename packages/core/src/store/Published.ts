/**
 * Folders of artifacts that lie outside a store, with or without its manifest. The store writes a manifest beside every artifact; a folder
 * that was copied without it, or that another program made, is known by the files that it has: see `published` of a kind's view.
 */
import { Effect, FileSystem, Path } from "effect"
import type { Artifact, Kind, Published, ValueOf } from "./Artifact.ts"
import { canonical, shortDigest } from "./Digest.ts"
import { digestFile } from "./Durable.ts"
import * as Store from "./Store.ts"
import * as View from "./View.ts"

/** How folders of a kind are known without a manifest; undefined where they are not. */
const of = (kind: Kind): Effect.Effect<Published | undefined, View.ViewError> =>
  Effect.map(View.of(kind), (view) => view?.published)

const holds = Effect.fnUntraced(function* (directory: string, files: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  return yield* Effect.forEach(files, (file) =>
    fs.exists(path.join(directory, file)).pipe(Effect.orElseSucceed(() => false))
  ).pipe(Effect.map((found) => found.every((each) => each)))
})

/**
 * The kind that a folder without a manifest is of: the one whose files it has; of several, the one with the most, since a model's folder
 * holds a tokenizer's files too. Undefined where it is of none.
 */
export const kindOf = Effect.fn("Published.kindOf")(function* (
  kinds: ReadonlyArray<Kind>,
  directory: string
) {
  let found: { readonly kind: Kind; readonly files: number } | undefined
  for (const kind of kinds) {
    const published = yield* of(kind)
    if (published === undefined || published.files.length <= (found?.files ?? 0)) continue
    if (yield* holds(directory, published.files)) found = { kind, files: published.files.length }
  }
  return found?.kind
})

/**
 * The artifact in a folder: checked against the manifest where there is one, else by opening it as its kind's view says. Its key is then a
 * digest of what was found, so the same content has the same key.
 *
 * Fails with `ArtifactError` for a folder that is not whole, or of another kind; and as `published.open` of the view does.
 */
export const open = Effect.fn("Published.open")(function* <K extends Kind>(kind: K, name: string) {
  const path = yield* Path.Path
  const directory = path.resolve(name)
  if (yield* Store.isArtifact(directory)) return yield* Store.open(kind, directory)
  const published = yield* of(kind)
  if (published === undefined)
    return yield* new Store.ArtifactError({
      directory,
      reason: "missing",
      problem: "it has no manifest.json",
      message: `${directory} is no ${kind.name}: it has no manifest.json, without which a ${kind.name} cannot be told. Copy the whole folder.`
    })
  const value = yield* Effect.scoped(published.open(directory))
  const { sha256 } = yield* digestFile(path.join(directory, published.digested))
  const artifact: Artifact<K> = {
    kind: kind.name,
    // The kind's own view opened it.
    value: value as ValueOf<K>,
    directory,
    cacheKey: shortDigest(canonical(value), sha256)
  }
  return artifact
})
