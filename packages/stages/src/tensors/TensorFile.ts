/** Safetensors files on disk, written and read a tensor at a time: a model of any size takes the memory of its largest tensor. */
import { Effect, FileSystem } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { halvesOf } from "./halfPrecision.ts"
import { release } from "./release.ts"
import {
  bytesOf,
  type HeaderEntry,
  headerLengthOf,
  headerOf,
  layoutOf,
  SafetensorsError,
  type Source,
  type Written,
  whyUnreadable,
  widened
} from "./Safetensors.ts"

/** A file's tensors, each read when it is needed. */
export interface TensorFile {
  readonly tensors: ReadonlyMap<string, Source<SafetensorsError>>
  readonly metadata: Readonly<Record<string, string>>
}

/** Fills `bytes` from a file, from `position` on. A file that ends early is damaged. */
const fill = Effect.fnUntraced(function* (
  path: string,
  file: FileSystem.File,
  position: number,
  bytes: Uint8Array
) {
  for (let done = 0; done < bytes.byteLength; ) {
    const count = Number(yield* file.read(bytes.subarray(done), { position: BigInt(position + done) }))
    if (count === 0)
      return yield* new SafetensorsError({ file: path, why: "it ended early while it was read" })
    done += count
  }
})

const orUnreadable = (path: string) => (error: PlatformError) =>
  new SafetensorsError({ file: path, why: `the system cannot read it (${error.reason._tag})` })

/** Reads a file's header. Its tensors are read from the file later, as it is then. */
export const open = Effect.fn("TensorFile.open")(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  const damaged = (why: string) => new SafetensorsError({ file: path, why })
  const opened = fs.open(path, { flag: "r" })
  const { data, metadata, entries } = yield* Effect.scoped(
    Effect.gen(function* () {
      const file = yield* opened
      const size = Number((yield* file.stat).size)
      const first = new Uint8Array(8)
      if (size >= 8) yield* fill(path, file, 0, first)
      const length = headerLengthOf(first, size)
      if (typeof length === "string") return yield* damaged(length)
      const json = new Uint8Array(length)
      yield* fill(path, file, 8, json)
      const layout = layoutOf(json, size)
      return typeof layout === "string" ? yield* damaged(layout) : layout
    })
  )
  const source = (entry: HeaderEntry): Source<SafetensorsError> => {
    const { begin, end, name, shape, type } = entry
    const why = whyUnreadable(entry)
    return {
      name,
      shape,
      read: Effect.gen(function* () {
        if (why !== undefined) return yield* damaged(why)
        if (type !== "F32") {
          const bytes = new Uint8Array(end - begin)
          yield* fill(path, yield* opened, data + begin, bytes)
          return widened(type, bytes)
        }
        const values = new Float32Array((end - begin) / 4)
        yield* fill(path, yield* opened, data + begin, bytesOf(values))
        return values
      }).pipe(
        Effect.scoped,
        Effect.catchTag("PlatformError", (error) => Effect.fail(orUnreadable(path)(error)))
      )
    }
  }
  return {
    tensors: new Map(entries.map((entry) => [entry.name, source(entry)])),
    metadata
  } satisfies TensorFile as TensorFile
})

/** Writes a file, a tensor at a time, in float32 or rounded to the nearest float16. Returns its size in bytes. */
export const write = Effect.fn("TensorFile.write")(function* <E>(
  path: string,
  tensors: ReadonlyArray<Source<E>>,
  metadata: Readonly<Record<string, string>>,
  type: Written = "F32"
) {
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.open(path, { flag: "w" })
  const header = headerOf(tensors, metadata, type)
  yield* file.writeAll(header)
  let bytes = header.byteLength
  for (const tensor of tensors) {
    const values = yield* tensor.read
    const data = type === "F32" ? bytesOf(values) : halvesOf(values)
    bytes += data.byteLength
    yield* file.writeAll(data)
    release(values)
  }
  return bytes
}, Effect.scoped)
