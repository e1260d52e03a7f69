/**
 * GGUF files, version 3: metadata and named tensors in one file, as llama.cpp and the programs built on it read them. Written a tensor at a
 * time, so that a model of any size takes the memory of its largest tensor.
 *
 * Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, "File Structure".
 */
import { Effect } from "effect"
import { type Append, writeWhole } from "../wholeFile.ts"
import { formats, type Type } from "./numbers.ts"

/** A value of the metadata. */
export type Value =
  | { readonly type: "uint32"; readonly value: number }
  | { readonly type: "float32"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "strings"; readonly value: ReadonlyArray<string> }
  | { readonly type: "int32s"; readonly value: ReadonlyArray<number> }

/** Metadata, in the order of the file. */
export type Metadata = ReadonlyArray<readonly [key: string, value: Value]>

/** A tensor of the file. */
export interface Tensor<E, R> {
  readonly name: string
  /** Row-major: the last side is that of a row. The file has it the other way round. */
  readonly shape: ReadonlyArray<number>
  readonly type: Type
  /** Its numbers in its type. */
  readonly bytes: Effect.Effect<Uint8Array, E, R>
}

export const uint32 = (value: number): Value => ({ type: "uint32", value })
export const float32 = (value: number): Value => ({ type: "float32", value })
export const bool = (value: boolean): Value => ({ type: "bool", value })
export const string = (value: string): Value => ({ type: "string", value })
export const strings = (value: ReadonlyArray<string>): Value => ({ type: "strings", value })
export const int32s = (value: ReadonlyArray<number>): Value => ({ type: "int32s", value })

const version = 3
/** Tensors begin at multiples of this many bytes; the format's default. */
const alignment = 32

/** Numbers of the types of values. */
const ids = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 } as const

const fourBytes = (write: (bytes: Buffer) => void): Buffer => {
  const bytes = Buffer.alloc(4)
  write(bytes)
  return bytes
}
const u32 = (value: number): Buffer => fourBytes((bytes) => bytes.writeUInt32LE(value))
const i32 = (value: number): Buffer => fourBytes((bytes) => bytes.writeInt32LE(value))
const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
const text = (value: string): Buffer => {
  const bytes = Buffer.from(value, "utf8")
  return Buffer.concat([u64(bytes.length), bytes])
}

const arrayOf = (id: number, values: ReadonlyArray<Buffer>): Buffer =>
  Buffer.concat([u32(ids.array), u32(id), u64(values.length), ...values])

const encoded = (value: Value): Buffer => {
  switch (value.type) {
    case "uint32":
      return Buffer.concat([u32(ids.uint32), u32(value.value)])
    case "float32":
      return Buffer.concat([u32(ids.float32), fourBytes((bytes) => bytes.writeFloatLE(value.value))])
    case "bool":
      return Buffer.concat([u32(ids.bool), Buffer.from([value.value ? 1 : 0])])
    case "string":
      return Buffer.concat([u32(ids.string), text(value.value)])
    case "strings":
      return arrayOf(ids.string, value.value.map(text))
    case "int32s":
      return arrayOf(ids.int32, value.value.map(i32))
  }
}

const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment

/** Bytes of a tensor in its type. */
const sizeOf = ({ shape, type }: Pick<Tensor<never, never>, "shape" | "type">): number => {
  const { block, blockBytes } = formats[type]
  return (shape.reduce((product, side) => product * side, 1) / block) * blockBytes
}

/** Everything before the data of the tensors. */
const headerOf = (
  metadata: Metadata,
  tensors: ReadonlyArray<Pick<Tensor<never, never>, "name" | "shape" | "type">>
): Buffer => {
  let offset = 0
  const entries = tensors.map(({ name, shape, type }) => {
    const entry = [
      text(name),
      u32(shape.length),
      ...[...shape].reverse().map(u64),
      u32(formats[type].id),
      u64(offset)
    ]
    offset += aligned(sizeOf({ shape, type }))
    return Buffer.concat(entry)
  })
  const header = Buffer.concat([
    Buffer.from("GGUF"),
    u32(version),
    u64(tensors.length),
    u64(metadata.length),
    ...metadata.flatMap(([key, value]) => [text(key), encoded(value)]),
    ...entries
  ])
  return Buffer.concat([header, Buffer.alloc(aligned(header.length) - header.length)])
}

/** Writes a file, whole or not at all. Gives its size in bytes. */
export const write = Effect.fn("GgufFile.write")(function* <E, R>(
  file: string,
  metadata: Metadata,
  tensors: ReadonlyArray<Tensor<E, R>>
) {
  return yield* writeWhole(
    file,
    Effect.fnUntraced(function* (append: Append) {
      yield* append(headerOf(metadata, tensors))
      for (const tensor of tensors) {
        const bytes = yield* tensor.bytes
        yield* append(bytes)
        const padding = aligned(bytes.byteLength) - bytes.byteLength
        if (padding > 0) yield* append(new Uint8Array(padding))
      }
    })
  )
})
