/** Reads a tar stream, gzipped or not, entry by entry. Nothing is unpacked to disk: the bytes of wanted entries are passed on. */
import { Readable } from "node:stream"
import { createGunzip } from "node:zlib"
import { Predicate } from "effect"
import { Parser, type ReadEntry } from "tar"
import type { CorruptArchive, UnsafeArchive } from "./CollectError.ts"
import type { Guard } from "./guard.ts"
import type { Found } from "./screening.ts"

export interface Reading {
  readonly guard: Guard
  /** Leading folders to drop from each path, such as the one folder that npm and GitHub put around everything. */
  readonly strip: number
  readonly wanted: (path: string) => boolean
  readonly maximumFileBytes: number
}

const stripped = (path: string, count: number): string =>
  path
    .split("/")
    .filter((segment) => segment !== "" && segment !== ".")
    .slice(count)
    .join("/")

const isOurs = (error: unknown): error is UnsafeArchive | CorruptArchive =>
  Predicate.isTagged(error, "UnsafeArchive") || Predicate.isTagged(error, "CorruptArchive")

/** A library's error message, in one line. */
export const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0]!.slice(0, 300)

/** Unpacked bytes of a stream that may be gzipped; its first two bytes decide which. */
async function* unzipped(source: AsyncIterable<Uint8Array>, guard: Guard): AsyncGenerator<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]()
  const first = await chunks.next()
  if (first.done === true) throw guard.corrupt("it is empty")
  let packed = 0
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      packed += first.value.length
      yield first.value
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
        packed += next.value.length
        yield next.value
      }
    } finally {
      await chunks.return?.()
    }
  }
  if (first.value[0] !== 0x1f || first.value[1] !== 0x8b) {
    yield* all()
    return
  }
  let unpacked = 0
  const gunzip = createGunzip()
  const input = Readable.from(all())
  input.on("error", (error) => gunzip.destroy(error))
  try {
    for await (const chunk of input.pipe(gunzip) as AsyncIterable<Uint8Array>) {
      unpacked += chunk.length
      guard.checkRatio(packed, unpacked)
      yield chunk
    }
  } finally {
    // A pipe that is left early destroys its end alone; the file at its beginning would stay open.
    input.destroy()
  }
}

/** Bytes of an entry, handed over once it is whole. */
const gather = (entry: ReadEntry, done: (bytes: Uint8Array) => void): void => {
  const parts: Array<Uint8Array> = []
  entry.on("data", (part: Uint8Array) => parts.push(part))
  entry.on("end", () => done(parts.length === 1 ? parts[0]! : Buffer.concat(parts)))
}

/** The wanted files of a tar stream in its order. Throws `UnsafeArchive`, `CorruptArchive`, or what the stream itself throws. */
export async function* readTar(source: AsyncIterable<Uint8Array>, reading: Reading): AsyncGenerator<Found> {
  const { guard } = reading
  const ready: Array<Found> = []
  let failure: unknown
  const parser = new Parser({ strict: true })
  parser.on("error", (error) => {
    failure ??= isOurs(error) ? error : guard.corrupt(reasonOf(error))
  })
  const accept = (entry: ReadEntry): void => {
    guard.admit(entry.path, entry.size)
    switch (entry.type) {
      case "File":
      case "OldFile":
      case "ContiguousFile": {
        const path = stripped(entry.path, reading.strip)
        if (path === "" || !reading.wanted(path)) entry.resume()
        else if (entry.size > reading.maximumFileBytes) {
          ready.push({ path, skipped: "too large", size: entry.size })
          entry.resume()
        } else gather(entry, (bytes) => ready.push({ path, bytes }))
        return
      }
      case "Directory":
      case "GNUDumpDir":
        entry.resume()
        return
      case "Link":
        // A hard link's target is a path from the archive's top.
        guard.link("", entry.linkpath ?? "")
        break
      case "SymbolicLink":
        guard.link(entry.path, entry.linkpath ?? "")
        break
      default:
        throw guard.refuse(
          entry.path,
          `is neither file, folder nor link but a ${entry.type.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase()}.`
        )
    }
    const path = stripped(entry.path, reading.strip)
    if (path !== "" && reading.wanted(path)) ready.push({ path, skipped: "link", size: 0 })
    entry.resume()
  }
  parser.on("entry", (entry: ReadEntry) => {
    // Listeners are called from inside the parser and must not throw.
    if (failure !== undefined) return entry.resume()
    try {
      accept(entry)
    } catch (error) {
      failure = error
      entry.resume()
    }
  })
  let ended = false
  parser.on("eof", () => {
    ended = true
  })
  for await (const chunk of unzipped(source, guard)) {
    parser.write(chunk as Buffer)
    if (failure !== undefined) throw failure
    yield* ready.splice(0)
    // Two empty blocks end an archive. What follows is padding, and endless padding is an attack.
    if (ended) return
  }
  const closed = new Promise((resolve) => parser.on("end", resolve).on("error", resolve))
  parser.end()
  await closed
  if (failure !== undefined) throw failure
  yield* ready.splice(0)
}
