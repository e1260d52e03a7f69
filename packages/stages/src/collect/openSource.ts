/** Opens a source of any type: fetches what must be fetched, and gives its files as a stream. */
import { createHash } from "node:crypto"
import { Journal } from "@trainyard/core/Journal"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, FileSystem, Option, Path, type Scope, Stream } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { readArchive } from "./archive.ts"
import { type ReadError, SourceUnavailable } from "./CollectError.ts"
import type { Downloads } from "./Downloads.ts"
import { withMemory } from "./fileDigests.ts"
import { digestFolder, type FolderReading, readFolder } from "./folder.ts"
import * as Globs from "./Globs.ts"
import { readCommit } from "./git.ts"
import type { ArchiveLimits } from "./guard.ts"
import { licenceOfSource, manifestName } from "./licence.ts"
import { fetchTarball } from "./npm.ts"
import { OtherPaths } from "./otherPaths.ts"
import { type Archive, type Folder, origin, type Source } from "./Source.ts"
import type { Found } from "./screening.ts"

export interface OpenSource {
  readonly source: Source
  readonly origin: string
  readonly files: Stream.Stream<
    Found,
    ReadError | Workspace.WorkspaceError,
    FileSystem.FileSystem | Path.Path
  >
  /** Files met that the globs do not take, once `files` has been read. */
  readonly notMatched: () => number
  /** What those files were, in words that follow their number: a few paths, and the folder that all lie in, for a glob without effect. */
  readonly describeOthers: (glob?: string) => string
  readonly matches: (path: string) => boolean
  /** The globs that took nothing, once `files` has been read. */
  readonly unmatched: () => ReadonlyArray<Globs.Unmatched>
  /** What else is worth a warning, once `files` has been read. */
  readonly warnings: () => ReadonlyArray<string>
  /** Whether something came over the network. */
  readonly fetched: boolean
}

const existingArchive = Effect.fnUntraced(function* (source: Archive) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.resolve(source.path)
  const info = yield* fs.stat(file).pipe(Effect.option)
  if (Option.isNone(info) || info.value.type !== "File") {
    return yield* new SourceUnavailable({
      source: origin(source),
      message: Option.isNone(info)
        ? `There is no file ${file}. Give Source.archive a tar, tar.gz or zip file that exists.`
        : `${file} is not a file. For a folder use Source.folder.`,
      transient: false
    })
  }
  return file
})

/** What reading a folder takes beside the choice of its files. */
const folderReading = Effect.fnUntraced(function* (source: Folder, maximumFileBytes: number) {
  const path = yield* Path.Path
  const workspace = yield* Workspace.Workspace
  return {
    source: origin(source),
    directory: path.resolve(source.path),
    gitignore: source.gitignore ?? true,
    apart: workspace.root,
    maximumFileBytes
  }
})

const filesOf = Effect.fnUntraced(function* (
  source: Source,
  choice: Pick<FolderReading, "wanted" | "excludesFolder" | "warn">,
  limits: ArchiveLimits & { readonly maximumFileBytes: number }
): Effect.fn.Return<
  { readonly files: OpenSource["files"]; readonly fetched: boolean },
  ReadError | Workspace.WorkspaceError,
  | FileSystem.FileSystem
  | Path.Path
  | Journal
  | Workspace.Workspace
  | ChildProcessSpawner.ChildProcessSpawner
  | Downloads
  | Scope.Scope
> {
  const name = origin(source)
  const { wanted } = choice
  const reading = { source: name, wanted, limits, maximumFileBytes: limits.maximumFileBytes }
  switch (source.type) {
    case "folder":
      return {
        files: readFolder({ ...(yield* folderReading(source, limits.maximumFileBytes)), ...choice }),
        fetched: false
      }
    case "archive":
      return {
        files: readArchive(yield* existingArchive(source), { ...reading, strip: 0 }),
        fetched: false
      }
    case "npm": {
      const { fetched, file } = yield* fetchTarball(source, name)
      return { files: readArchive(file, { ...reading, strip: 1 }), fetched }
    }
    case "git":
      return yield* readCommit({ source, origin: name, wanted, maximumFileBytes: limits.maximumFileBytes })
  }
})

/** Makes a source ready to be read. What it fetches stays in the workspace's downloads. */
export const openSource = Effect.fn("collect.openSource")(function* (
  source: Source,
  limits: ArchiveLimits & { readonly maximumFileBytes: number }
) {
  const globs = Globs.make(source)
  const { matches } = globs
  const warnings: Array<string> = []
  const excludedFolders = new Set<string>()
  const others = new OtherPaths()
  const wanted = (path: string): boolean => {
    if (matches(path)) return true
    others.add(path)
    return path === manifestName
  }
  const excludesFolder = (folder: string): boolean => {
    const excluded = globs.excludesFolder(folder)
    if (excluded) excludedFolders.add(folder)
    return excluded
  }
  const warn = (message: string): void => void warnings.push(message)
  const { fetched, files } = yield* filesOf(source, { wanted, excludesFolder, warn }, limits)
  if (fetched) {
    const journal = yield* Journal
    yield* journal.publish({ type: "Note", level: "info", message: `Fetched ${origin(source)}` })
  }
  const opened: OpenSource = {
    source,
    origin: origin(source),
    files,
    fetched,
    matches,
    notMatched: () => others.count + excludedFolders.size,
    describeOthers: (glob = source.include?.[0]) => others.describe(glob),
    unmatched: globs.unmatched,
    warnings: () => warnings
  }
  return opened
})

/** Digests what of a folder a corpus depends on. Of a manifest that nobody asked for that is its licence alone. */
const digestOfFolder = Effect.fnUntraced(function* (source: Folder, maximumFileBytes: number) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { excludesFolder, matches } = Globs.make(source, { hints: false })
  const hash = createHash("sha256")
  const reading = yield* folderReading(source, maximumFileBytes)
  // A different choice of the same folder's files has a memory of its own.
  const choice = JSON.stringify([reading.directory, source.include, source.exclude])
  yield* withMemory(choice, (remembered) =>
    digestFolder(
      { ...reading, wanted: matches, excludesFolder, warn: () => {} },
      remembered,
      (file, trace) => void hash.update(`\0file\0${file}\0${trace}`)
    )
  )
  if (!matches(manifestName)) {
    const manifest = yield* fs.readFile(path.join(reading.directory, manifestName)).pipe(
      Effect.map(licenceOfSource),
      Effect.orElseSucceed(() => null)
    )
    if (manifest !== null) hash.update(`\0licence\0${manifest}`)
  }
  return hash.digest("hex")
})

/**
 * A digest of what sources hold that their config does not pin: the files of folders and the bytes of archive files. Npm packages and
 * git commits are pinned by their names. A folder's file above `maximumFileBytes` is not read: nobody will learn from it.
 */
export const digestOutside = Effect.fn("collect.digestOutside")(function* (
  sources: ReadonlyArray<Source>,
  maximumFileBytes: number
) {
  const fs = yield* FileSystem.FileSystem
  const hash = createHash("sha256")
  for (const source of sources) {
    if (source.type === "folder") {
      hash.update(`\0folder\0${yield* digestOfFolder(source, maximumFileBytes)}`)
    } else if (source.type === "archive") {
      const file = yield* existingArchive(source)
      hash.update("\0archive\0")
      yield* Stream.runForEach(fs.stream(file, { chunkSize: 1 << 18 }), (chunk) =>
        Effect.sync(() => void hash.update(chunk))
      ).pipe(
        Effect.mapError(
          (error) =>
            new SourceUnavailable({
              source: origin(source),
              message: `${file} cannot be read: ${error.message}`,
              transient: false
            })
        )
      )
    }
  }
  return hash.digest("hex")
})
