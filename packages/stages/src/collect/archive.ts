/** Opens an archive file and detects its format by its first bytes. */
import { createReadStream } from "node:fs"
import { open } from "node:fs/promises"
import { Effect, Predicate, Stream } from "effect"
import { type CorruptArchive, type ReadError, SourceUnavailable, type UnsafeArchive } from "./CollectError.ts"
import { type ArchiveLimits, damaged, Guard } from "./guard.ts"
import type { Found } from "./screening.ts"
import { type Reading, readTar, reasonOf } from "./tar.ts"
import { readZip } from "./zip.ts"

export interface ArchiveReading {
  readonly source: string
  readonly strip: number
  readonly wanted: (path: string) => boolean
  readonly maximumFileBytes: number
  readonly limits: ArchiveLimits
}

const isArchiveError = (error: unknown): error is UnsafeArchive | CorruptArchive =>
  Predicate.isTagged(error, "UnsafeArchive") || Predicate.isTagged(error, "CorruptArchive")

/** What a reader threw, as an error of collecting. */
const toReadError =
  (source: string) =>
  (error: unknown): ReadError => {
    if (isArchiveError(error)) return error
    const code = Predicate.hasProperty(error, "code") ? String(error.code) : ""
    // zlib's error codes for a stream that is cut off or damaged.
    if (code.startsWith("Z_")) return damaged(source, reasonOf(error))
    return new SourceUnavailable({
      source,
      message: `${source} cannot be read: ${reasonOf(error)}`,
      transient: false
    })
  }

const toReading = (options: ArchiveReading): Reading => ({
  guard: new Guard(options.source, options.limits),
  strip: options.strip,
  wanted: options.wanted,
  maximumFileBytes: options.maximumFileBytes
})

/**
 * How a file of a kind that is not read begins, the kind, and how to make one that is. Letters alone will not do: a tar file begins with
 * the name of its first file.
 */
const unsupported: ReadonlyArray<readonly [string, string, string]> = [
  ["fd377a585a00", "compressed with xz", "Unpack it with `xz -d`"],
  ["425a683[1-9](314159265359|177245385090)", "compressed with bzip2", "Unpack it with `bzip2 -d`"],
  ["28b52ffd", "compressed with Zstandard", "Unpack it with `zstd -d`"],
  ["4c5a495001", "compressed with lzip", "Unpack it with `lzip -d`"],
  ["04224d18", "compressed with LZ4", "Unpack it with `lz4 -d`"],
  ["1f9d", "compressed with compress", "Unpack it with `uncompress`"],
  ["377abcaf271c", "a 7-Zip archive", "Unpack it with `7z x`"],
  ["526172211a07", "a RAR archive", "Unpack it with `unrar x`"]
]

/** The first bytes of a file, in hexadecimal. */
const headOf = async (file: string): Promise<string> => {
  const handle = await open(file)
  const head = Buffer.alloc(16)
  const { bytesRead } = await handle.read(head, 0, 16, 0).finally(() => handle.close())
  return head.toString("hex", 0, bytesRead)
}

/** "PK" and the number of a local header, or of the end of an empty archive. */
const isZip = (head: string): boolean => /^504b(0304|0506)/.test(head)

const refuse = (source: string, head: string): SourceUnavailable | undefined => {
  const [, what, how] = unsupported.find(([magic]) => new RegExp(`^${magic}`).test(head)) ?? []
  if (what === undefined) return undefined
  return new SourceUnavailable({
    source,
    message: `${source} is ${what}, which is not supported. ${how}, and give the tar file, or the folder with Source.folder.`,
    transient: false
  })
}

/** The wanted files of a tar, tar.gz or zip file. */
export const readArchive = (file: string, options: ArchiveReading): Stream.Stream<Found, ReadError> =>
  Stream.unwrap(
    Effect.tryPromise({ try: () => headOf(file), catch: toReadError(options.source) }).pipe(
      Effect.map((head): Stream.Stream<Found, ReadError> => {
        const refused = refuse(options.source, head)
        if (refused !== undefined) return Stream.fail(refused)
        return Stream.fromAsyncIterable(
          isZip(head)
            ? readZip(file, toReading(options))
            : readTar(createReadStream(file, { highWaterMark: 1 << 18 }), toReading(options)),
          toReadError(options.source)
        )
      })
    )
  )
