/**
 * The types of numbers that GGUF files are written with here, and float32 in each of them.
 *
 * Source: the ggml library's definitions of `ggml_type` and of the block of Q8_0, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
 */

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

/** A whole number from one between two, the nearest; the even one where both are as near. */
const nearestEven = (value: number): number => {
  const below = Math.floor(value)
  const rest = value - below
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below
}

/** The bits of the nearest float16 (IEEE 754: a sign, 5 bits of exponent, 10 of fraction), by the bits of a float32. */
export const halfOf = (bits: number): number => {
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  // From 65,520 on the nearest is infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude >= 0x38800000) {
    const shifted = magnitude - 0x38000000
    return sign | ((shifted + 0xfff + ((shifted >>> 13) & 1)) >>> 13)
  }
  // Below 2 ** -14 a float16 is a multiple of 2 ** -24; a float32 as small as 2 ** -126 is none of them.
  const exponent = (magnitude >>> 23) - 127
  if (exponent < -25) return sign
  const fraction = 1 + (magnitude & 0x7fffff) / 0x800000
  return sign | nearestEven(fraction * 2 ** (exponent + 24))
}

const halves = (values: Float32Array): Uint8Array => bytesOf(Uint16Array.from(bitsOf(values), halfOf))

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

const largestHalf = 65_504
const largestSingle = 3.4028234663852886e38

export const formats: Readonly<Record<Type, Format>> = {
  f32: { id: 0, fileType: 0, block: 1, blockBytes: 4, largest: largestSingle, encode: bytesOf },
  f16: { id: 1, fileType: 1, block: 1, blockBytes: 2, largest: largestHalf, encode: halves },
  bf16: { id: 30, fileType: 32, block: 1, blockBytes: 2, largest: largestSingle, encode: brainHalves },
  q8_0: { id: 8, fileType: 7, block, blockBytes: 2 + block, largest: 127 * largestHalf, encode: quantized }
}
