/** Writes messages in the encoding of Protocol Buffers (protobuf.dev, "Encoding"): as much as event files need. A message is the joined bytes of its fields. */

const varint = (value: number): ReadonlyArray<number> => {
  const bytes: Array<number> = []
  let rest = value
  // Division, because steps may need more than the 32 bits that shifts have.
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return bytes
}

const tag = (field: number, wireType: number) => varint(field * 8 + wireType)

/** The fields of a message, or of a part of one, one after the other. */
export const message = (...fields: ReadonlyArray<Uint8Array>): Uint8Array => {
  const bytes = new Uint8Array(fields.reduce((sum, each) => sum + each.length, 0))
  let at = 0
  for (const field of fields) {
    bytes.set(field, at)
    at += field.length
  }
  return bytes
}

/** A whole number that is not negative, up to 2^53: int32, int64, enum, bool. */
export const integer = (field: number, value: number): Uint8Array =>
  Uint8Array.from([...tag(field, 0), ...varint(value)])

export const double = (field: number, value: number): Uint8Array => {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, value, true)
  return message(Uint8Array.from(tag(field, 1)), bytes)
}

/** Numbers one after the other, as a packed field has them. */
export const doubles = (values: ReadonlyArray<number>): Uint8Array => {
  const view = new DataView(new ArrayBuffer(8 * values.length))
  for (const [index, value] of values.entries()) view.setFloat64(8 * index, value, true)
  return new Uint8Array(view.buffer)
}

export const float = (field: number, value: number): Uint8Array => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setFloat32(0, value, true)
  return message(Uint8Array.from(tag(field, 5)), bytes)
}

/** Bytes, or a message within a message. */
export const bytes = (field: number, value: Uint8Array): Uint8Array =>
  message(Uint8Array.from([...tag(field, 2), ...varint(value.length)]), value)

export const string = (field: number, value: string): Uint8Array =>
  bytes(field, new TextEncoder().encode(value))
