/**
 * The types of numbers that GGUF files are written with here, and float32 in each of them.
 *
 * Source: the ggml library's definitions of `ggml_type` and of the block of Q8_0, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
 */
import { halfOf, halvesOf, largestHalf } from "../../tensors/halfPrecision.ts"

export const types = ["f32", "f16", "bf16", "q8_0"] as const
export type Type = (typeof types)[number]

/** A type of the format. */
export interface Format {
  /** Its number in a tensor's entry. */
  readonly id: number
  /** `general.file_type` of a file whose matrices have this type. */
  readonly fileType: number
  /** Numbers of a block; a row is whole blocks. */
  readonly block: number
  /** Bytes of a block. */
  readonly blockBytes: number
  /** The largest number that it can hold. */
  readonly largest: number
  /** Whole rows of numbers in it. */
  readonly encode: (values: Float32Array) => Uint8Array
}

const bytesOf = (array: Float32Array | Uint16Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

const bitsOf = (values: Float32Array): Uint32Array =>
  new Uint32Array(values.buffer, values.byteOffset, values.length)

/** bfloat16 is the upper half of a float32, rounded to the nearest, to even where both are as near. */
const brainHalves = (values: Float32Array): Uint8Array =>
  bytesOf(Uint16Array.from(bitsOf(values), (bits) => (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16))

const block = 32

/** Q8_0: blocks of 32 whole numbers from -127 to 127, and before each its step as a float16. */
const quantized = (values: Float32Array): Uint8Array => {
  const blocks = values.length / block
  const bytes = new Uint8Array(blocks * (2 + block))
  const view = new DataView(bytes.buffer)
  const step = new Float32Array(1)
  const stepBits = bitsOf(step)
  for (let index = 0; index < blocks; index++) {
    const at = index * (2 + block)
    let largest = 0
    for (let i = 0; i < block; i++) largest = Math.max(largest, Math.abs(values[index * block + i]!))
    step[0] = largest / 127
    // As ggml does: the numbers are divided by the step before it is rounded to a float16.
    const inverse = step[0] === 0 ? 0 : Math.fround(1 / step[0])
    view.setUint16(at, halfOf(stepBits[0]!), true)
    for (let i = 0; i < block; i++) {
      const scaled = Math.fround(values[index * block + i]! * inverse)
      view.setInt8(at + 2 + i, Math.sign(scaled) * Math.round(Math.abs(scaled)))
    }
  }
  return bytes
}

const largestSingle = 3.4028234663852886e38

export const formats: Readonly<Record<Type, Format>> = {
  f32: { id: 0, fileType: 0, block: 1, blockBytes: 4, largest: largestSingle, encode: bytesOf },
  f16: { id: 1, fileType: 1, block: 1, blockBytes: 2, largest: largestHalf, encode: halvesOf },
  bf16: { id: 30, fileType: 32, block: 1, blockBytes: 2, largest: largestSingle, encode: brainHalves },
  q8_0: { id: 8, fileType: 7, block, blockBytes: 2 + block, largest: 127 * largestHalf, encode: quantized }
}
