/** The files of a git repository at a commit: exactly the bytes that were committed, the same on every machine. */
import { Journal } from "@trainyard/core/Journal"
import type { WorkspaceError } from "@trainyard/core/Workspace"
import { Effect, Glob, Stream } from "effect"
import { type ReadError, SourceUnavailable } from "./CollectError.ts"
import { type Entry, type GitObject, listTree, type Repository, readObjects } from "./gitObjects.ts"
import * as GitStore from "./gitStore.ts"
import type { Git } from "./Source.ts"
import type { Found, Reason } from "./screening.ts"

export interface GitReading {
  readonly source: Git
  readonly origin: string
  readonly wanted: (path: string) => boolean
  readonly maximumFileBytes: number
}

/** Why an entry of a tree is no document, where its content does not matter. */
const unreadable = (entry: Entry): Reason | undefined => {
  if (entry.mode === "160000") return "submodule"
  if (entry.mode === "120000") return "link"
  // Not a path everywhere: what reads it again would look elsewhere, or nowhere.
  if (!entry.utf8 || entry.path.includes("\\")) return "odd name"
  return undefined
}

/** Whether files below a folder may be wanted: it is not excluded, and no `include` looks only elsewhere. */
const reaches = (source: Git, folder: string): boolean => {
  const excluded = (source.exclude ?? []).map((pattern) => Glob.make(pattern, { dot: true }))
  if (excluded.some((glob) => Glob.match(glob, folder) || Glob.match(glob, `${folder}/-`))) return false
  return (source.include ?? ["**"]).some((pattern) => {
    const fixed = pattern.slice(0, pattern.search(/[*?[{!(]|$/)).replace(/^\.?\/+/, "")
    return `${folder}/`.startsWith(fixed) || fixed.startsWith(`${folder}/`)
  })
}

const tellSubmodules = Effect.fnUntraced(function* (reading: GitReading, entries: ReadonlyArray<Entry>) {
  const paths = entries
    .filter((entry) => entry.mode === "160000" && reaches(reading.source, entry.path))
    .map(({ path }) => path)
  if (paths.length === 0) return
  const journal = yield* Journal
  const some = paths.slice(0, 3).join(", ")
  const rest = paths.length > 3 ? ` and ${paths.length - 3} more` : ""
  yield* journal.publish({
    type: "Note",
    level: "warning",
    message: `${reading.origin} has ${paths.length === 1 ? "a submodule" : `${paths.length} submodules`}, ${some}${rest}, whose files lie in other repositories and are left out. Add each as a Source.git of its own, or name it in exclude.`
  })
})

const toFound = (entry: Entry, object: GitObject): Found =>
  object.bytes === undefined
    ? { path: entry.path, skipped: "too large", size: object.size }
    : { path: entry.path, bytes: object.bytes }

/** The wanted files of the commit, fetched unless kept. A kept copy that turns out to be damaged is fetched anew. */
export const readCommit = Effect.fn("Git.readCommit")(function* (reading: GitReading) {
  const { maximumFileBytes, origin, source, wanted } = reading
  const { directory, fetched, fresh } = yield* GitStore.obtain(source, origin)
  const repository: Repository = { source: origin, directory }
  let renewed = fresh
  const renew = Effect.fnUntraced(function* (damage: { readonly message: string }) {
    if (renewed) {
      return yield* new SourceUnavailable({
        source: origin,
        message: `${origin}: what git fetched cannot be read: ${damage.message}. Check the repository with \`git fsck\`, and the disk of the workspace.`,
        transient: false
      })
    }
    renewed = true
    yield* GitStore.renew(directory, source, origin, damage.message)
  })
  const entries = yield* listTree(repository, source.commit).pipe(
    Effect.catchTag("DamagedRepository", (damage) =>
      Effect.andThen(renew(damage), listTree(repository, source.commit))
    ),
    Effect.catchTag("DamagedRepository", renew),
    Effect.map((listed) => listed ?? [])
  )
  yield* tellSubmodules(reading, entries)
  const taken = entries.filter(({ path }) => wanted(path))
  const files = taken.filter((entry) => unreadable(entry) === undefined)
  const passedOver = taken.flatMap((entry): ReadonlyArray<Found> => {
    const skipped = unreadable(entry)
    return skipped === undefined ? [] : [{ path: entry.path, skipped, size: 0 }]
  })
  let read = 0
  const from = (first: number) =>
    readObjects(
      repository,
      files.slice(first).map(({ object }) => object),
      maximumFileBytes
    ).pipe(Stream.map((object) => toFound(files[read++]!, object)))
  const context = yield* Effect.context<
    Effect.Services<ReturnType<typeof GitStore.renew>> | Stream.Services<ReturnType<typeof from>>
  >()
  const contents: Stream.Stream<Found, ReadError | WorkspaceError> = from(0).pipe(
    // An object's name is the hash of its bytes, so reading can go on where it broke off.
    Stream.catchTag("DamagedRepository", (damage) =>
      Stream.unwrap(Effect.map(renew(damage), () => from(read)))
    ),
    Stream.catchTag("DamagedRepository", (damage) => Stream.drain(Stream.fromEffect(renew(damage)))),
    Stream.provideContext(context)
  )
  return { files: Stream.concat(Stream.fromIterable(passedOver), contents), fetched }
})
