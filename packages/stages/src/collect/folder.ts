/** Walks a folder in the order of its names, `.gitignore` files honoured as git does. Links are never followed. */
import { isWorkspace } from "@trainyard/core/Workspace"
import { Effect, FileSystem, Option, Path, Stream } from "effect"
import ignore, { type Ignore } from "ignore"
import { type ReadError, SourceUnavailable } from "./CollectError.ts"
import type { Found } from "./screening.ts"

export interface FolderReading {
  readonly source: string
  readonly directory: string
  readonly gitignore: boolean
  /** Absolute path of a folder to leave out wherever it is met: the workspace, before it has anything in it. */
  readonly apart: string
  readonly wanted: (path: string) => boolean
  readonly maximumFileBytes: number
}

/** A `.gitignore` file's rules. */
interface Rules {
  readonly matcher: Ignore
  /** Path as seen from the file's own folder, of a path as seen from the top of the walk. */
  readonly from: (path: string) => string
}

const isIgnored = (rules: ReadonlyArray<Rules>, path: string): boolean => {
  // The innermost file that says anything about a path decides.
  for (let i = rules.length - 1; i >= 0; i--) {
    const { from, matcher } = rules[i]!
    const verdict = matcher.test(from(path))
    if (verdict.ignored) return true
    if (verdict.unignored) return false
  }
  return false
}

/**
 * Rules of the folders above, up to the top of the git repository; none outside a repository. Where they ignore the folder itself they
 * do not count: whoever names an ignored folder wants it.
 */
const rulesAbove = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const rules: Array<Rules> = []
  let prefix = ""
  for (let here = directory; ; here = path.dirname(here)) {
    if (here !== directory) {
      const below = prefix
      const text = yield* fs
        .readFileString(path.join(here, ".gitignore"))
        .pipe(Effect.orElseSucceed(() => ""))
      if (text !== "") rules.unshift({ matcher: ignore().add(text), from: (item) => below + item })
    }
    if (yield* fs.exists(path.join(here, ".git")).pipe(Effect.orElseSucceed(() => false))) {
      return isIgnored(rules, "") ? [] : rules
    }
    if (path.dirname(here) === here) return []
    prefix = `${path.basename(here)}/${prefix}`
  }
})

const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0

type Item = { readonly path: string; readonly type: "File" | "SymbolicLink" | "Other" }

/** Every wanted file, link and other thing below the folder, in order, without its content. */
export const walk = (options: FolderReading) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const visit = (relative: string, rules: ReadonlyArray<Rules>): Stream.Stream<Item, ReadError> =>
        Stream.unwrap(
          Effect.gen(function* () {
            const directory = path.join(options.directory, relative)
            const entries = yield* fs.readDirectoryEntries(directory).pipe(
              Effect.mapError(
                (error) =>
                  new SourceUnavailable({
                    source: options.source,
                    message: `The folder ${directory} cannot be read: ${error.message}`,
                    transient: false
                  })
              )
            )
            // What runs have made here is nobody's source, and would grow with each of them.
            const folders = entries.flatMap(({ name, type }) => (type === "Directory" ? [name] : []))
            if (relative !== "" && isWorkspace(folders)) return Stream.empty
            const own =
              options.gitignore &&
              entries.some((entry) => entry.name === ".gitignore" && entry.type === "File")
                ? yield* fs
                    .readFileString(path.join(directory, ".gitignore"))
                    .pipe(Effect.orElseSucceed(() => ""))
                : ""
            const all: ReadonlyArray<Rules> =
              own === ""
                ? rules
                : [...rules, { matcher: ignore().add(own), from: (item) => item.slice(relative.length) }]
            return Stream.fromIterable([...entries].sort(byName)).pipe(
              Stream.flatMap((entry): Stream.Stream<Item, ReadError> => {
                const itemPath = relative + entry.name
                if (entry.type === "Directory") {
                  if (entry.name === ".git" || path.join(directory, entry.name) === options.apart)
                    return Stream.empty
                  return isIgnored(all, `${itemPath}/`) ? Stream.empty : visit(`${itemPath}/`, all)
                }
                // Pipes, sockets and devices: opening one may wait for ever.
                const type = entry.type === "File" || entry.type === "SymbolicLink" ? entry.type : "Other"
                return isIgnored(all, itemPath) || !options.wanted(itemPath)
                  ? Stream.empty
                  : Stream.succeed({ path: itemPath, type })
              })
            )
          })
        )
      const info = yield* fs.stat(options.directory).pipe(Effect.option)
      if (Option.isNone(info) || info.value.type !== "Directory") {
        return Stream.fail(
          new SourceUnavailable({
            source: options.source,
            message: Option.isNone(info)
              ? `There is no folder ${options.directory}. Give Source.folder a folder that exists; relative paths are read from the current folder.`
              : `${options.directory} is not a folder. For a tar or zip file use Source.archive.`,
            transient: false
          })
        )
      }
      return visit("", options.gitignore ? yield* rulesAbove(options.directory) : [])
    })
  )

/** The wanted files of a folder. A file that cannot be read, or is too large to be wanted, is passed on as skipped. */
export const readFolder = (options: FolderReading) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      return walk(options).pipe(
        Stream.mapEffect(
          (item): Effect.Effect<Found> =>
            item.type === "SymbolicLink"
              ? Effect.succeed({ path: item.path, skipped: "link", size: 0 })
              : item.type === "Other"
                ? Effect.succeed({ path: item.path, skipped: "not readable", size: 0 })
                : Effect.gen(function* () {
                    const file = path.join(options.directory, item.path)
                    const size = Number((yield* fs.stat(file)).size)
                    return size > options.maximumFileBytes
                      ? ({ path: item.path, skipped: "too large", size } as const)
                      : { path: item.path, bytes: yield* fs.readFile(file) }
                  }).pipe(
                    Effect.orElseSucceed((): Found => ({ path: item.path, skipped: "not readable", size: 0 }))
                  ),
          { concurrency: 8 }
        )
      )
    })
  )
