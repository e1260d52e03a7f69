/** The files of a git repository at a commit: exactly the bytes that were committed, the same on every machine. */
import { carriesCredentials } from "@trainyard/core/Credentials"
import { Journal } from "@trainyard/core/Journal"
import type { WorkspaceError } from "@trainyard/core/Workspace"
import { Effect, Glob, Schema, Stream } from "effect"
import { type ReadError, SourceUnavailable } from "../CollectError.ts"
import { type Entry, type GitObject, listTree, type Repository, readObjects } from "../gitObjects.ts"
import * as GitStore from "../gitStore.ts"
import { type Globs, make } from "../SourceDefinition.ts"
import type { Found } from "../screening.ts"
import { fileTree } from "./fileTree.ts"

const config = {
  /**
   * URL or path, as `git fetch` takes it. A password or token has no place in it, as settings are stored and published with what is made:
   * git has its own places for them.
   */
  repository: Schema.NonEmptyString.check(
    Schema.makeFilter((address) =>
      carriesCredentials(address)
        ? "an address must not hold a user, password or token, as it is stored and published with what is made. Leave them out, and give them to git: with a credential helper (git help credentials) or an ssh key"
        : undefined
    )
  ),
  /** Full commit id: 40 hexadecimal digits, or 64 in a SHA-256 repository. */
  commit: Schema.String.check(
    Schema.isPattern(/^[0-9a-f]{40}([0-9a-f]{24})?$/, {
      expected:
        "a full commit id of 40 hexadecimal digits (64 in a SHA-256 repository), as `git rev-parse HEAD` prints it"
    })
  )
}
type Config = Schema.Struct<typeof config>["Type"] & Globs

interface GitReading {
  readonly source: Config
  readonly origin: string
  readonly wanted: (path: string) => boolean
  readonly maximumFileBytes: number
}

/** Why an entry of a tree is no document, where its content does not matter. */
const unreadable = (entry: Entry): string | undefined => {
  if (entry.mode === "160000") return "submodule"
  if (entry.mode === "120000") return "link"
  // Not a path everywhere: what reads it again would look elsewhere, or nowhere.
  if (!entry.utf8 || entry.path.includes("\\")) return "odd name"
  return undefined
}

/** Whether files below a folder may be wanted: it is not excluded, and no `include` looks only elsewhere. */
const reaches = (source: Config, folder: string): boolean => {
  const excluded = (source.exclude ?? []).map((pattern) => Glob.make(pattern, { dot: true }))
  if (excluded.some((glob) => Glob.match(glob, folder) || Glob.match(glob, `${folder}/-`))) return false
  return (source.include ?? ["**"]).some((pattern) => {
    const fixed = pattern.slice(0, pattern.search(/[*?[{!(]|$/)).replace(/^\.?\/+/, "")
    return `${folder}/`.startsWith(fixed) || fixed.startsWith(`${folder}/`)
  })
}

const warnOfSubmodules = Effect.fnUntraced(function* (reading: GitReading, entries: ReadonlyArray<Entry>) {
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
const readCommit = Effect.fn("Git.readCommit")(function* (reading: GitReading) {
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
  yield* warnOfSubmodules(reading, entries)
  const taken = entries.filter(({ path }) => wanted(path))
  const files = taken.filter((entry) => unreadable(entry) === undefined)
  const skippedEntries = taken.flatMap((entry): ReadonlyArray<Found> => {
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
  return { files: Stream.concat(Stream.fromIterable(skippedEntries), contents), fetched }
})

export const gitSource = make({
  name: "git",
  source: import.meta.url,
  config,
  origin: ({ commit, repository }) => `${repository}@${commit.slice(0, 12)}`,
  open: Effect.fnUntraced(function* (source, context) {
    const tree = fileTree(context)
    const { fetched, files } = yield* readCommit({
      source,
      origin: context.origin,
      wanted: tree.wanted,
      maximumFileBytes: context.maximumFileBytes
    })
    return { documents: tree.documents(files), fetched }
  })
})

/**
 * The files of a git repository at a commit, fetched with the `git` command: the bytes that were committed, under all attributes and
 * configuration. Links, submodules and names that not every system can hold are left out and listed.
 */
export const git = (repository: string, options: Globs & { readonly commit: string }) =>
  gitSource({ repository, ...options })
