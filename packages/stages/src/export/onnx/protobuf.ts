/**
 * Protocol Buffers' wire format, as far as ONNX files need it: messages, text, whole numbers and float32. A message is a list of pieces, of
 * which some are read only when they are written, so that a file of any size takes the memory of its largest tensor.
 *
 * Source: https://protobuf.dev/programming-guides/encoding.
 */
import type { Effect } from "effect"

/** Bytes that are read when they are written. Their number is known before. */
export interface Later<E, R> {
  readonly byteLength: number
  readonly bytes: Effect.Effect<Uint8Array, E, R>
}

/** A part of a message. */
export type Piece<E = never, R = never> = Uint8Array | Later<E, R>
export type Message<E = never, R = never> = ReadonlyArray<Piece<E, R>>

/** Seven bits a byte, the lowest first; the highest bit of a byte says that more follow. Negative numbers are 64 bits of two's complement. */
const varint = (value: number): Uint8Array => {
  const bytes: Array<number> = []
  let rest = BigInt.asUintN(64, BigInt(value))
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return Uint8Array.from(bytes)
}

/** How a value is written: as a varint, after its length, or in four bytes. */
const wire = { varint: 0, length: 2, fourBytes: 5 } as const

const tag = (field: number, type: number): Uint8Array => varint(field * 8 + type)

/** Bytes of a message. */
export const lengthOf = <E, R>(message: Message<E, R>): number =>
  message.reduce((sum, { byteLength }) => sum + byteLength, 0)

export const integer = (field: number, value: number): Message => [tag(field, wire.varint), varint(value)]

export const single = (field: number, value: number): Message => [
  tag(field, wire.fourBytes),
  new Uint8Array(Float32Array.of(value).buffer)
]

/** A message within a message, or bytes. */
export const nested = <E, R>(field: number, message: Message<E, R>): Message<E, R> => [
  tag(field, wire.length),
  varint(lengthOf(message)),
  ...message
]

export const text = (field: number, value: string): Message => nested(field, [Buffer.from(value, "utf8")])
