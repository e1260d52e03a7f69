/**
 * Safetensors files: named tensors with a JSON header (https://huggingface.co/docs/safetensors, "Format"). Written in float32, or in float16
 * where that is asked for; float16 and bfloat16 are read as float32.
 *
 * A file is an unsigned 64-bit little-endian header length, that many bytes of JSON, then the tensors' bytes. The reader
 * trusts nothing: every length, name, type, shape and offset is checked before a byte of data is touched.
 */
import { Effect, Schema } from "effect"

export interface NamedTensor {
  readonly name: string
  readonly shape: ReadonlyArray<number>
  /** Row-major. */
  readonly values: Float32Array
}

/** The file is truncated, damaged, or not a safetensors file that can be read here. */
export class SafetensorsError extends Schema.TaggedError<SafetensorsError>()("SafetensorsError", {
  file: Schema.String,
  why: Schema.String
}) {
  override get message() {
    return `${this.file} cannot be read as safetensors: ${this.why}. Copy it again from where it was made, or make it again.`
  }
}

/** A tensor whose values are read when they are needed. */
export interface Source<E> extends Omit<NamedTensor, "values"> {
  /** A copy that the caller owns. */
  readonly read: Effect.Effect<Float32Array, E>
}

// The limit of the reference implementation.
const largestHeader = 100_000_000

const Entry = Schema.Struct({
  dtype: Schema.String,
  shape: Schema.Array(Schema.Int),
  data_offsets: Schema.Tuple([Schema.Int, Schema.Int])
})
const decodeHeader = Schema.decodeUnknownOption(Schema.Record(Schema.String, Schema.Unknown))
const decodeEntry = Schema.decodeUnknownOption(Entry)
const decodeMetadata = Schema.decodeUnknownOption(Schema.Record(Schema.String, Schema.String))

export const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

/** The types of numbers that files are written with. */
export type Written = "F32" | "F16"

/** The beginning of a safetensors file, up to the data of these tensors one after the other. */
export const headerOf = (
  tensors: ReadonlyArray<Omit<NamedTensor, "values">>,
  metadata: Readonly<Record<string, string>> = {},
  type: Written = "F32"
): Uint8Array => {
  let offset = 0
  const entries = tensors.map(({ name, shape }) => {
    const begin = offset
    offset += shape.reduce((product, side) => product * side, typeBytes[type]!)
    return [name, { dtype: type, shape, data_offsets: [begin, offset] }] as const
  })
  const json = JSON.stringify(Object.fromEntries([["__metadata__", metadata], ...entries]))
  const header = Buffer.from(json, "utf8")
  // Spaces bring the data to a multiple of 8 bytes, so that readers may view it in place.
  const padded = Buffer.alloc(8 + Math.ceil(header.length / 8) * 8, " ")
  padded.writeBigUInt64LE(BigInt(padded.length - 8), 0)
  header.copy(padded, 8)
  return padded
}

/**
 * A safetensors file as pieces to be written one after the other. The pieces view the tensors' own memory: nothing is copied.
 */
export const encode = (
  tensors: ReadonlyArray<NamedTensor>,
  metadata: Readonly<Record<string, string>> = {}
): ReadonlyArray<Uint8Array> => [
  headerOf(tensors, metadata),
  ...tensors.map((tensor) => bytesOf(tensor.values))
]

/** Bytes of one number of each type that the format has. */
const typeBytes: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8
}

/** The entry of a tensor in a file's header: `begin` and `end` count from the first data byte. */
export interface HeaderEntry {
  readonly name: string
  readonly type: string
  readonly shape: ReadonlyArray<number>
  readonly begin: number
  readonly end: number
}

/** The decoded header of a file. */
export interface Layout {
  /** In the order of their data. */
  readonly entries: ReadonlyArray<HeaderEntry>
  readonly metadata: Readonly<Record<string, string>>
  /** First byte of the data. */
  readonly data: number
}

/** Reads one header entry, or gives what is wrong with it. `dataBytes` is the number of data bytes in the file. */
const entryOf = (name: string, value: unknown, dataBytes: number): HeaderEntry | string => {
  const decoded = decodeEntry(value)
  if (decoded._tag === "None") return `the header's entry for "${name}" lacks dtype, shape or data_offsets`
  const { data_offsets, dtype, shape } = decoded.value
  const [begin, end] = data_offsets
  const numberBytes = Object.hasOwn(typeBytes, dtype) ? typeBytes[dtype] : undefined
  if (numberBytes === undefined) return `tensor "${name}" has type ${dtype}, which is not known here`
  if (shape.some((side) => side < 0)) return `tensor "${name}" has a negative side`
  if (begin < 0 || end < begin || end > dataBytes)
    return `tensor "${name}" has bytes ${begin} to ${end}, outside the ${dataBytes} bytes of data in the file`
  const bytes = shape.reduce((product, side) => product * side, numberBytes)
  if (bytes !== end - begin)
    return `tensor "${name}" of shape [${shape.join(", ")}] needs ${bytes} bytes and has ${end - begin}`
  return { name, type: dtype, shape, begin, end }
}

/** Why a tensor's numbers cannot be read as float32, or undefined when they can. A file may hold others that are not needed. */
export const whyUnreadable = ({ name, type }: HeaderEntry): string | undefined =>
  type === "F32" || type === "F16" || type === "BF16"
    ? undefined
    : `tensor "${name}" has type ${type}; F32, F16 and BF16 are read here`

/** Numbers of half precision as float32, which holds each of them. `bytes` may have any alignment. */
export const widened = (type: string, bytes: Uint8Array): Float32Array => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const values = new Float32Array(bytes.byteLength / 2)
  if (type === "BF16") {
    // The upper half of a float32.
    const bits = new Uint32Array(values.buffer)
    for (let i = 0; i < values.length; i++) bits[i] = view.getUint16(2 * i, true) << 16
  } else for (let i = 0; i < values.length; i++) values[i] = fromHalf(view.getUint16(2 * i, true))
  return values
}

/** A float16 by its bits: a sign, 5 bits of exponent, 10 of fraction (IEEE 754). */
const fromHalf = (bits: number): number => {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** Length of the JSON after a file's first 8 bytes, or what is wrong with a file of `size` bytes that begins so. */
export const headerLengthOf = (first: Uint8Array, size: number): number | string => {
  if (size < 8) return `it has ${size} bytes, fewer than the 8 of the header's length`
  const view = new DataView(first.buffer, first.byteOffset, first.byteLength)
  const length = Number(view.getBigUint64(0, true))
  if (length > largestHeader)
    return `its header has ${length} bytes by its length field, more than the format allows`
  if (8 + length > size)
    return `its header has ${length} bytes by its length field, and the file ends before them`
  return length
}

/** Reads the JSON of a file of `size` bytes, or gives what is wrong with it. */
export const layoutOf = (json: Uint8Array, size: number): Layout | string => {
  if (json[0] !== 0x7b) return "its header does not begin with {"
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder("utf-8").decode(json))
  } catch {
    return "its header is not JSON"
  }
  const record = decodeHeader(header)
  if (record._tag === "None") return "its header is not an object"
  const data = 8 + json.byteLength
  const dataBytes = size - data
  const entries: Array<HeaderEntry> = []
  let metadata: Readonly<Record<string, string>> = {}
  for (const [name, value] of Object.entries(record.value)) {
    if (name === "__metadata__") {
      const decoded = decodeMetadata(value)
      if (decoded._tag === "None") return "its __metadata__ is not a table of text"
      metadata = decoded.value
      continue
    }
    if (name === "") return "a tensor has no name"
    const entry = entryOf(name, value, dataBytes)
    if (typeof entry === "string") return entry
    entries.push(entry)
  }
  // The data must be covered exactly: no overlap, no hole, nothing after the last tensor.
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end)
  let covered = 0
  for (const entry of entries) {
    if (entry.begin < covered) return `tensor "${entry.name}" overlaps the one before it`
    if (entry.begin > covered)
      return `${entry.begin - covered} bytes before tensor "${entry.name}" belong to none`
    covered = entry.end
  }
  if (covered !== dataBytes) return `${dataBytes - covered} bytes at its end belong to no tensor`
  return { entries, metadata, data }
}

/** The decoded contents of a file. */
export interface Contents {
  readonly tensors: ReadonlyMap<string, NamedTensor>
  readonly metadata: Readonly<Record<string, string>>
}

const parse = (file: Uint8Array): Contents | string => {
  const length = headerLengthOf(file, file.byteLength)
  if (typeof length === "string") return length
  const layout = layoutOf(file.subarray(8, 8 + length), file.byteLength)
  if (typeof layout === "string") return layout
  const { data, metadata, entries } = layout
  const tensors = new Map<string, NamedTensor>()
  for (const entry of entries) {
    const why = whyUnreadable(entry)
    if (why !== undefined) return why
    const { begin, end, name, shape, type } = entry
    const values =
      type === "F32"
        ? view(file, data + begin, end - begin)
        : widened(type, file.subarray(data + begin, data + end))
    tensors.set(name, { name, shape, values })
  }
  return { tensors, metadata }
}

const view = (file: Uint8Array, offset: number, bytes: number): Float32Array => {
  const start = file.byteOffset + offset
  return start % 4 === 0
    ? new Float32Array(file.buffer, start, bytes / 4)
    : // A copy, which a Buffer's own slice is not.
      new Float32Array(Uint8Array.prototype.slice.call(file, offset, offset + bytes).buffer)
}

/** Decodes a safetensors file's bytes. `file` names it in errors. */
export const decode = (bytes: Uint8Array, file: string): Effect.Effect<Contents, SafetensorsError> =>
  Effect.suspend(() => {
    const parsed = parse(bytes)
    return typeof parsed === "string"
      ? Effect.fail(new SafetensorsError({ file, why: parsed }))
      : Effect.succeed(parsed)
  })
