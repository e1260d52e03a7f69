/** Half precision: float32 as float16, rounded to the nearest. `Safetensors.ts` reads it back. */

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

/** The largest finite float16. */
export const largestHalf = 65_504

/** Numbers as float16, little-endian, each rounded to the nearest. */
export const halvesOf = (values: Float32Array): Uint8Array => {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const halves = Uint16Array.from(bits, halfOf)
  return new Uint8Array(halves.buffer)
}
