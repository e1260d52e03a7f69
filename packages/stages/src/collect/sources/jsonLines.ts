/** Documents from files of JSON lines, plain or compressed with gzip or Zstandard. */
import { isUtf8 } from "node:buffer"
import { createReadStream } from "node:fs"
import { open, stat } from "node:fs/promises"
import { createGunzip, createZstdDecompress } from "node:zlib"
import { Effect, Predicate, Result, type Schema, Stream } from "effect"
import { CorruptArchive, SourceUnavailable, type UnsafeArchive } from "../CollectError.ts"
import { Guard } from "../guard.ts"
import { type Globs, type Item, make, type OpenContext } from "../SourceDefinition.ts"
import { reasonOf } from "../tar.ts"
import { type DataFile, dataFiles, digestDataFiles, localPath } from "./localFiles.ts"
import { fields, isRow, recordReader } from "./records.ts"

const endings = ["jsonl", "ndjson"].flatMap((name) =>
  ["", ".gz", ".zst"].map((packed) => `.${name}${packed}`)
)

/** What a file is compressed with, by its first bytes. */
const compressionOf = async (file: string): Promise<"none" | "gzip" | "zstd"> => {
  const handle = await open(file)
  const head = Buffer.alloc(4)
  await handle.read(head, 0, 4, 0).finally(() => handle.close())
  if (head.readUInt16BE(0) === 0x1f8b) return "gzip"
  return head.readUInt32LE(0) === 0xfd2fb528 ? "zstd" : "none"
}

/** A file's bytes, decompressed. */
async function* bytesOf(file: string, guard: Guard): AsyncGenerator<Buffer> {
  const compression = await compressionOf(file)
  let start = 0
  let unpacked = 0
  do {
    const input = createReadStream(file, { start, highWaterMark: 1 << 18 })
    try {
      if (compression === "none") return yield* input
      const decompressor = compression === "gzip" ? createGunzip() : createZstdDecompress()
      input.on("error", (error) => decompressor.destroy(error))
      for await (const chunk of input.pipe(decompressor)) {
        unpacked += chunk.length
        guard.checkRatio(start + input.bytesRead, unpacked)
        yield chunk
      }
      // Node's Zstandard stream ends with a frame, and a file may have several.
      if (compression === "gzip" || decompressor.bytesWritten === 0) return
      start += decompressor.bytesWritten
    } finally {
      // A pipe that is left early does not close the file at its beginning.
      input.destroy()
    }
  } while (start < (await stat(file)).size)
}

interface Line {
  readonly number: number
  readonly size: number
  /** Undefined for a line that is too long to be held. */
  readonly bytes: Buffer | undefined
}

/** Lines without their breaks, numbered from 1. */
async function* linesOf(chunks: AsyncIterable<Buffer>, maximum: number): AsyncGenerator<Line> {
  let parts: Array<Buffer> = []
  let size = 0
  let number = 0
  const add = (part: Buffer): void => {
    size += part.length
    if (size <= maximum) parts.push(part)
    else parts = []
  }
  const take = (): Line => {
    const line = { number: ++number, size, bytes: size > maximum ? undefined : Buffer.concat(parts) }
    parts = []
    size = 0
    return line
  }
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      add(chunk.subarray(start, end))
      yield take()
      start = end + 1
    }
    add(chunk.subarray(start))
  }
  if (size > 0) yield take()
}

async function* itemsOf(
  { file, name }: DataFile,
  reader: ReturnType<typeof recordReader>,
  context: OpenContext
): AsyncGenerator<Item> {
  const guard = new Guard(`${context.origin} (${name})`, context)
  // A character takes at most six bytes in JSON, and the other fields need some too.
  const maximum = 6 * context.maximumFileBytes + (1 << 20)
  for await (const { bytes, number, size } of linesOf(bytesOf(file, guard), maximum)) {
    const leave = (skipped: string): Item => ({ path: `${name}/${number}`, skipped, size })
    if (bytes === undefined) yield leave("too large")
    else if (!isUtf8(bytes)) yield leave("not UTF-8")
    else {
      const line = bytes.toString("utf8").replace(/^\uFEFF/, "")
      // An empty line between records is no record.
      if (line.trim() === "") continue
      const value = Result.try((): unknown => JSON.parse(line))
      if (Result.isFailure(value)) yield leave("bad JSON")
      else if (!isRow(value.success)) yield leave("not a JSON object")
      else yield reader.toItem(value.success, name, number, size)
    }
  }
}

const isUnsafe = (error: unknown): error is UnsafeArchive => Predicate.isTagged(error, "UnsafeArchive")

const explain =
  (origin: string, { file }: DataFile) =>
  (error: unknown) => {
    if (isUnsafe(error)) return error
    const code = Predicate.hasProperty(error, "code") ? String(error.code) : ""
    return /^Z(_|STD)/.test(code)
      ? new CorruptArchive({
          source: origin,
          message: `${file} is damaged or cut off (${reasonOf(error)}). Download or make it again.`
        })
      : new SourceUnavailable({
          source: origin,
          message: `${file} cannot be read: ${reasonOf(error)}`,
          transient: false
        })
  }

export const jsonLinesSource = make({
  name: "jsonl",
  source: import.meta.url,
  config: {
    /** A file, or a folder with `.jsonl` or `.ndjson` files, also with `.gz` or `.zst` behind. */
    path: localPath,
    ...fields
  },
  origin: ({ path }) => path,
  digest: ({ path }) => digestDataFiles(`jsonl:${path}`, path, endings),
  open: Effect.fnUntraced(function* (settings, context) {
    const { files, location } = yield* dataFiles(context.origin, settings.path, endings)
    const reader = recordReader(settings, context)
    const documents = Stream.fromIterable(files).pipe(
      Stream.flatMap((file) =>
        Stream.fromAsyncIterable(itemsOf(file, reader, context), explain(context.origin, file))
      ),
      Stream.concat(Stream.drain(Stream.fromEffect(Effect.sync(reader.end))))
    )
    return { documents, location }
  })
})

type Settings = Schema.Struct<typeof fields>["Encoded"] & Globs

/**
 * One document for each line of JSON-lines files. Lines that are no JSON object, or have no text, are left out and listed by file and line.
 */
export const jsonLines = (path: string, options: Settings = {}) => jsonLinesSource({ path, ...options })
