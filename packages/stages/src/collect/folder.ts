/** Reads the files of a folder, and digests them for planning. */
import { createHash } from "node:crypto"
import { lstat } from "node:fs/promises"
import { Effect, FileSystem, Option, Path, Predicate, Stream } from "effect"
import { SourceUnavailable } from "./CollectError.ts"
import type { Remembered } from "./fileDigests.ts"
import { type Entry, type Listing, list } from "./listing.ts"
import type { Found } from "./screening.ts"

export interface FolderReading extends Listing {
  readonly source: string
  readonly maximumFileBytes: number
}

type Left = { readonly path: string; readonly skipped: string; readonly size: number }

/** A file to be read, as it was when it was looked at. */
interface Present {
  readonly path: string
  readonly file: string
  readonly size: number
  /** Changes with the file: its size, when it and what is known of it changed, and which file it is. */
  readonly stamp: string
  /** When the file was last changed, in milliseconds of the file system's clock. */
  readonly changed: number
}

const isAbsent = (error: unknown): boolean =>
  Predicate.hasProperty(error, "code") && (error.code === "ENOENT" || error.code === "ENOTDIR")

/** Looks at a file without opening it. Pipes, sockets and devices are never opened, as that may block. */
const look = async (entry: Entry, file: string, maximumFileBytes: number): Promise<Left | Present> => {
  const { left, path } = entry
  if (left !== undefined) return { path, skipped: left, size: 0 }
  try {
    const info = await lstat(file, { bigint: true })
    const size = Number(info.size)
    if (info.isSymbolicLink()) return { path, skipped: "link", size: 0 }
    if (!info.isFile()) return { path, skipped: "not readable", size: 0 }
    if (size > maximumFileBytes) return { path, skipped: "too large", size }
    const stamp = [info.size, info.mtimeNs, info.ctimeNs, info.ino].join(":")
    return { path, file, size, stamp, changed: Math.max(Number(info.mtimeMs), Number(info.ctimeMs)) }
  } catch (error) {
    const gone = entry.tracked === true && isAbsent(error)
    return { path, skipped: gone ? "not in the work tree" : "not readable", size: 0 }
  }
}

/** The entries of a folder. Fails when it is not there, is no folder or cannot be read. */
const entriesOf = Effect.fnUntraced(function* (options: FolderReading) {
  const fs = yield* FileSystem.FileSystem
  const { directory, source } = options
  const unavailable = (message: string) => new SourceUnavailable({ source, message, transient: false })
  const info = yield* fs.stat(directory).pipe(Effect.option)
  if (Option.isNone(info)) {
    return yield* unavailable(
      `There is no folder ${directory}. Give Source.folder a folder that exists; relative paths are read from the current folder.`
    )
  }
  if (info.value.type !== "Directory") {
    return yield* unavailable(`${directory} is not a folder. For a tar or zip file use Source.archive.`)
  }
  return yield* list(options).pipe(
    Effect.mapError((error) =>
      unavailable(
        `The folder ${directory} cannot be read: ${error.cause instanceof Error ? error.cause.message : error.message}`
      )
    )
  )
})

/** The wanted files of a folder. A file that cannot be read, or is too large to be wanted, is passed on as skipped. */
export const readFolder = (options: FolderReading) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const read = Effect.fnUntraced(function* (entry: Entry): Effect.fn.Return<Found> {
        const file = path.join(options.directory, entry.path)
        const found = yield* Effect.promise(() => look(entry, file, options.maximumFileBytes))
        if ("skipped" in found) return found
        return yield* fs.readFile(file).pipe(
          Effect.map((bytes): Found => ({ path: entry.path, bytes })),
          Effect.orElseSucceed((): Found => ({ path: entry.path, skipped: "not readable", size: 0 }))
        )
      })
      return Stream.fromIterable(yield* entriesOf(options)).pipe(Stream.mapEffect(read, { concurrency: 8 }))
    })
  )

/** How many files are examined at the same time. */
const batchSize = 256

/**
 * Reports of each entry of a folder what a corpus depends on: the digest of its bytes, or why it is left out. What git ignores does not
 * count: a build beside the sources changes no corpus. Digests of unchanged files come from those remembered.
 */
export const digestFolder = Effect.fnUntraced(function* (
  options: FolderReading,
  remembered: Remembered,
  report: (path: string, state: string) => void
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const entries = (yield* entriesOf(options)).filter(({ left }) => left !== "ignored")
  const fileOf = (entry: Entry) => path.join(options.directory, entry.path)
  const digest = Effect.fnUntraced(
    function* (found: Present) {
      const bytes = yield* fs.readFile(found.file)
      const value = createHash("sha256").update(bytes).digest("hex")
      const after = yield* Effect.promise(() =>
        look({ path: found.path }, found.file, options.maximumFileBytes)
      )
      if ("stamp" in after && after.stamp === found.stamp) remembered.set(found, value)
      return value
    },
    Effect.orElseSucceed(() => "not readable, 0 bytes")
  )
  for (let start = 0; start < entries.length; start += batchSize) {
    const some = entries.slice(start, start + batchSize)
    const found = yield* Effect.promise(() =>
      Promise.all(some.map((entry) => look(entry, fileOf(entry), options.maximumFileBytes)))
    )
    // Nearly all are known, and an effect for each would take longer than the looking.
    const known = found.map((item) =>
      "skipped" in item ? `${item.skipped}, ${item.size} bytes` : (remembered.get(item) ?? item)
    )
    const digests = yield* Effect.forEach(
      known.filter((item) => typeof item !== "string"),
      digest,
      { concurrency: 8 }
    )
    let read = 0
    for (const [index, item] of known.entries()) {
      report(some[index]!.path, typeof item === "string" ? item : digests[read++]!)
    }
  }
})
