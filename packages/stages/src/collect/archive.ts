/** Opens an archive file and tells by its first bytes what it is. */
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

/** Whatever a reader threw, as an error of collecting. */
const toReadError =
  (source: string) =>
  (error: unknown): ReadError => {
    if (isArchiveError(error)) return error
    const code = Predicate.hasProperty(error, "code") ? String(error.code) : ""
    // zlib's own words for a stream that is cut off or damaged.
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

const isZip = async (file: string): Promise<boolean> => {
  const handle = await open(file)
  const head = Buffer.alloc(4)
  const { bytesRead } = await handle.read(head, 0, 4, 0).finally(() => handle.close())
  // "PK" and the number of a local header, or of the end of an empty archive.
  return bytesRead === 4 && head.readUInt16BE(0) === 0x504b && [0x0304, 0x0506].includes(head.readUInt16BE(2))
}

/** The wanted files of a tar, tar.gz or zip file. */
export const readArchive = (file: string, options: ArchiveReading): Stream.Stream<Found, ReadError> =>
  Stream.unwrap(
    Effect.tryPromise({ try: () => isZip(file), catch: toReadError(options.source) }).pipe(
      Effect.map((zip) =>
        Stream.fromAsyncIterable(
          zip
            ? readZip(file, toReading(options))
            : readTar(createReadStream(file, { highWaterMark: 1 << 18 }), toReading(options)),
          toReadError(options.source)
        )
      )
    )
  )
