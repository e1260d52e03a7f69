/**
 * The workspace as a cache of the shared store, with a limit: what was not used for the longest leaves first. Only what the store has too
 * leaves, and nothing that a run which may go on uses.
 */
import { Context, Effect, FileSystem, Option, Path } from "effect"
import * as Folders from "../Folders.ts"
import * as Gc from "../Gc.ts"
import * as Store from "../Store.ts"
import { changedAt, Workspace } from "../Workspace.ts"
import * as SharedStore from "./SharedStore.ts"

/** The most bytes that artifacts in the workspace may have together; undefined for no limit. Without a shared store it has no effect. */
export const CacheLimit = Context.Reference<number | undefined>("@trainyard/core/StoreCache/Limit", {
  defaultValue: () => undefined
})

interface Kept {
  readonly stage: string
  readonly cacheKey: string
  readonly directory: string
  readonly bytes: number
  /** When it was used last, in milliseconds since 1970. */
  readonly usedAt: number
}

/** Whole artifacts in the workspace, those that were not used for the longest first. */
const kept = Effect.fnUntraced(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { artifacts } = yield* Workspace
  const names = (directory: string) =>
    fs.readDirectory(directory).pipe(Effect.orElseSucceed((): Array<string> => []))
  const found: Array<Kept> = []
  for (const stage of yield* names(artifacts)) {
    for (const cacheKey of yield* names(path.join(artifacts, stage))) {
      const directory = path.join(artifacts, stage, cacheKey)
      const manifest = yield* Effect.option(Store.readManifest(directory))
      if (Option.isNone(manifest)) continue
      const bytes = manifest.value.files.reduce((sum, file) => sum + file.bytes, 0)
      const usedAt = yield* changedAt(path.join(directory, Store.manifestName))
      found.push({ stage, cacheKey, directory, bytes, usedAt })
    }
  }
  return found.sort((a, b) => a.usedAt - b.usedAt)
})

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

/** Removes what is too much. A sentence about what went, or about why it is still too much; undefined when all is within the limit. */
export const trim = Effect.fn("StoreCache.trim")(function* () {
  const shared = yield* SharedStore.SharedStore
  const limit = yield* CacheLimit
  if (shared === undefined || limit === undefined) return undefined
  const { root, tmp } = yield* Workspace
  const all = yield* kept()
  let bytes = all.reduce((sum, each) => sum + each.bytes, 0)
  if (bytes <= limit) return undefined
  const busy = yield* Gc.busy()
  let gone = 0
  let freed = 0
  yield* Effect.ignore(Folders.make(tmp))
  for (const each of all) {
    if (bytes <= limit) break
    if (busy.has(each.cacheKey)) continue
    // A store that does not answer has nothing, as far as is known.
    const there = yield* SharedStore.peek(shared, each.stage, each.cacheKey).pipe(Effect.option)
    if (Option.isNone(there) || there.value._tag !== "Whole") continue
    const item = {
      what: "artifact",
      path: `artifacts/${each.stage}/${each.cacheKey}`,
      bytes: each.bytes
    } as const
    if (!(yield* Effect.scoped(Gc.removeOne(item)).pipe(Effect.orElseSucceed(() => false)))) continue
    bytes -= each.bytes
    freed += each.bytes
    gone++
  }
  const went =
    gone === 0
      ? ""
      : `${gone} artifacts (${megabytes(freed)}) that were not used for the longest left ${root}; ${shared.objects.address} has them.`
  const over =
    bytes <= limit
      ? ""
      : `${root} holds ${megabytes(bytes)} of artifacts, more than the limit of ${megabytes(limit)}: the rest is in use, or is not in the store.`
  return [went, over].filter((sentence) => sentence !== "").join(" ")
})
