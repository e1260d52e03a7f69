/** Reads a zip file entry by entry, under the same guard as `tar.ts`. */
import { crc32 } from "node:zlib"
import { type Entry, openPromise, type ZipFile } from "yauzl"
import type { Found } from "./screening.ts"
import { type Reading, reasonOf } from "./tar.ts"

const typeBits = 0xf000
const symbolicLink = 0xa000
const regular = 0x8000
const directory = 0x4000

/** File type bits of an entry made on Unix; 0 for one made elsewhere. */
const typeOf = (entry: Entry): number => (entry.externalFileAttributes >>> 16) & typeBits

async function read(zip: ZipFile, entry: Entry): Promise<Uint8Array> {
  const parts: Array<Uint8Array> = []
  // yauzl checks that as many bytes come as the entry announced.
  for await (const part of await zip.openReadStreamPromise(entry)) parts.push(part as Uint8Array)
  const bytes = Buffer.concat(parts)
  if (crc32(bytes) !== entry.crc32) throw new Error(`checksum of ${entry.fileName} does not fit`)
  return bytes
}

async function* entries(zip: ZipFile, reading: Reading): AsyncGenerator<Found> {
  const { guard } = reading
  for await (const entry of zip.eachEntry()) {
    const path = entry.fileName
    guard.admit(path, entry.uncompressedSize)
    guard.checkRatio(entry.compressedSize, entry.uncompressedSize)
    if (path.endsWith("/") || typeOf(entry) === directory) continue
    if (typeOf(entry) === symbolicLink) {
      if (entry.uncompressedSize > 4096) throw guard.refuse(path, "is a link with an endless target.")
      guard.link(path, Buffer.from(await read(zip, entry)).toString("utf8"))
      if (reading.wanted(path)) yield { path, skipped: "link", size: 0 }
    } else if (typeOf(entry) !== regular && typeOf(entry) !== 0) {
      throw guard.refuse(path, "is neither file, folder nor link.")
    } else if (!reading.wanted(path)) {
    } else if (entry.uncompressedSize > reading.maximumFileBytes) {
      yield { path, skipped: "too large", size: entry.uncompressedSize }
    } else if (entry.isEncrypted()) {
      yield { path, skipped: "not readable", size: entry.uncompressedSize }
    } else {
      yield { path, bytes: await read(zip, entry) }
    }
  }
}

/** The wanted files of a zip file in its order. Throws `UnsafeArchive` or `CorruptArchive`. */
export async function* readZip(file: string, reading: Reading): AsyncGenerator<Found> {
  const { guard } = reading
  try {
    const zip = await openPromise(file)
    yield* entries(zip, reading)
  } catch (error) {
    const reason = reasonOf(error)
    const climbing = /^(absolute path|invalid relative path): (.*)$/.exec(reason)
    if (climbing !== null) throw guard.refuse(climbing[2]!, "has a path that climbs out of the archive.")
    if (error instanceof Error && "_tag" in error) throw error
    throw guard.corrupt(reason)
  }
}
