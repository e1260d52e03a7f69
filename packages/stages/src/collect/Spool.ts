/** A temporary file of texts, appended one after the other and read back by offset, through large reads and writes. */
import { Effect, FileSystem } from "effect"

const chunkBytes = 1 << 20
/** Bytes that are read ahead when two ranges are in order: more each time, as two neighbours may be all that is read here. */
const firstAheadBytes = 1 << 14

/** Writes texts end to end. `flush` before the file is read. */
export const writer = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const handle = yield* fs.open(file, { flag: "w" })
  const chunk = new Uint8Array(chunkBytes)
  let used = 0
  let offset = 0
  const flush = Effect.suspend(() => {
    const bytes = chunk.subarray(0, used)
    used = 0
    return bytes.length === 0 ? Effect.void : handle.writeAll(bytes)
  })
  return {
    /** Succeeds with the offset at which the bytes begin. */
    append: Effect.fnUntraced(function* (bytes: Uint8Array) {
      const at = offset
      offset += bytes.length
      if (used + bytes.length > chunkBytes) yield* flush
      if (bytes.length > chunkBytes) yield* handle.writeAll(bytes)
      else {
        chunk.set(bytes, used)
        used += bytes.length
      }
      return at
    }),
    flush
  }
})

/**
 * Reads ranges of a file; ahead when they are in order, and ranges elsewhere in between do not change that. The bytes given are valid until the next
 * read.
 */
export const reader = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const handle = yield* fs.open(file, { flag: "r" })
  const read = Effect.fnUntraced(function* (into: Uint8Array, offset: number, length: number) {
    let filled = 0
    while (filled < length) {
      const got = yield* handle.read(into.subarray(filled), { position: BigInt(offset + filled) })
      if (got === 0) break
      filled += Number(got)
    }
    return filled
  })
  let window = new Uint8Array(chunkBytes)
  let start = 0
  let end = 0
  let ahead = chunkBytes
  let elsewhere = new Uint8Array()
  /** Where the last range of each kind ended: what begins there is in order. */
  let endInWindow = 0
  let endElsewhere = -1
  return {
    /** `length` bytes from `offset`, fewer where the file ends before. */
    read: Effect.fnUntraced(function* (offset: number, length: number) {
      const isInside = offset >= start && offset + length <= end
      if (!isInside && offset !== endInWindow && offset !== endElsewhere) {
        if (elsewhere.length < length) elsewhere = new Uint8Array(length)
        endElsewhere = offset + length
        return elsewhere.subarray(0, yield* read(elsewhere.subarray(0, length), offset, length))
      }
      if (!isInside) {
        ahead = offset === endElsewhere ? firstAheadBytes : Math.min(2 * ahead, chunkBytes)
        if (length > window.length) window = new Uint8Array(length)
        start = offset
        end = offset + (yield* read(window.subarray(0, Math.max(length, ahead)), offset, length))
      }
      endInWindow = offset + length
      return window.subarray(offset - start, Math.min(offset + length, end) - start)
    })
  }
})
