/** Opens a source of any type: fetches what must be fetched, and gives its files as a stream. */
import { createHash } from "node:crypto"
import { Journal } from "@trainyard/core/Journal"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, FileSystem, Option, Path, type Scope, Stream } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { readArchive } from "./archive.ts"
import { type ReadError, SourceUnavailable } from "./CollectError.ts"
import type { Downloads } from "./Downloads.ts"
import { readFolder } from "./folder.ts"
import * as Globs from "./Globs.ts"
import { readCommit } from "./git.ts"
import type { ArchiveLimits } from "./guard.ts"
import { licenceOfSource, manifestName } from "./licence.ts"
import { fetchTarball } from "./npm.ts"
import { OtherPaths } from "./otherPaths.ts"
import { type Archive, origin, type Source } from "./Source.ts"
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

const filesOf = Effect.fnUntraced(function* (
  source: Source,
  wanted: (path: string) => boolean,
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
  const path = yield* Path.Path
  const workspace = yield* Workspace.Workspace
  const name = origin(source)
  const reading = { source: name, wanted, limits, maximumFileBytes: limits.maximumFileBytes }
  switch (source.type) {
    case "folder":
      return {
        files: readFolder({
          source: name,
          directory: path.resolve(source.path),
          gitignore: source.gitignore ?? true,
          apart: workspace.root,
          wanted,
          maximumFileBytes: limits.maximumFileBytes
        }),
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
  const matches = Globs.make(source)
  const others = new OtherPaths()
  const wanted = (path: string): boolean => {
    if (matches(path)) return true
    others.add(path)
    return path === manifestName
  }
  const { fetched, files } = yield* filesOf(source, wanted, limits)
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
    notMatched: () => others.count,
    describeOthers: (glob = source.include?.[0]) => others.describe(glob)
  }
  return opened
})

/** What of a folder's file a corpus depends on: its bytes, why it is left out unread, or of a manifest nobody asked for its licence alone. */
const trace = (file: Found, matches: (path: string) => boolean): string | undefined => {
  if (matches(file.path))
    return "bytes" in file
      ? createHash("sha256").update(file.bytes).digest("hex")
      : `${file.skipped}, ${file.size} bytes`
  return "bytes" in file ? (licenceOfSource(file.bytes) ?? undefined) : undefined
}

/**
 * A digest of what sources hold that their config does not pin: the files of folders and the bytes of archive files. Npm packages and
 * git commits are pinned by their names. A folder's file above `maximumFileBytes` is not read: nobody will learn from it.
 */
export const digestOutside = Effect.fn("collect.digestOutside")(function* (
  sources: ReadonlyArray<Source>,
  maximumFileBytes: number
) {
  const path = yield* Path.Path
  const fs = yield* FileSystem.FileSystem
  const workspace = yield* Workspace.Workspace
  const hash = createHash("sha256")
  for (const source of sources) {
    if (source.type === "folder") {
      const matches = Globs.make(source)
      const files = readFolder({
        source: origin(source),
        directory: path.resolve(source.path),
        gitignore: source.gitignore ?? true,
        apart: workspace.root,
        wanted: (file) => file === manifestName || matches(file),
        maximumFileBytes
      })
      yield* Stream.runForEach(files, (file) =>
        Effect.sync(() => {
          const left = trace(file, matches)
          if (left !== undefined) hash.update(`\0file\0${file.path}\0${left}`)
        })
      )
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
