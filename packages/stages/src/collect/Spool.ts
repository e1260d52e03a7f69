/** A temporary file of texts, appended one after the other and read back by offset, through large reads and writes. */
import { Effect, FileSystem } from "effect"

const chunkBytes = 1 << 20

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

/** Reads ranges of a file; ahead when they are in order. The bytes given are valid until the next read. */
export const reader = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const handle = yield* fs.open(file, { flag: "r" })
  let window = new Uint8Array(chunkBytes)
  let start = 0
  let end = 0
  let expected = 0
  const fill = Effect.fnUntraced(function* (offset: number, length: number) {
    const room = Math.max(length, offset === expected ? chunkBytes : 0)
    if (room > window.length) window = new Uint8Array(room)
    start = offset
    end = offset
    while (end < offset + length) {
      const read = yield* handle.read(window.subarray(end - start, room), { position: BigInt(end) })
      if (read === 0) return
      end += read
    }
  })
  return {
    /** `length` bytes from `offset`, fewer where the file ends before. */
    read: Effect.fnUntraced(function* (offset: number, length: number) {
      if (offset < start || offset + length > end) yield* fill(offset, length)
      expected = offset + length
      return window.subarray(offset - start, Math.min(offset + length, end) - start)
    })
  }
})
