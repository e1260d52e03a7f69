/** Whether two tensors are the same within a tolerance, and a sentence when they are not. */

/**
 * Each element may differ by `tolerance` of the largest magnitude in the expected tensor (at least 0.01). NaN equals NaN, and
 * nothing else.
 */
export const difference = (
  name: string,
  actual: Float32Array,
  expected: Float32Array,
  tolerance: number
): string | undefined => {
  if (actual.length !== expected.length)
    return `${name} has ${actual.length} elements instead of ${expected.length}`
  let largest = 0.01
  for (const value of expected) if (Math.abs(value) > largest && value !== Infinity) largest = Math.abs(value)
  const allowed = tolerance * largest
  for (let i = 0; i < expected.length; i++) {
    const [mine, right] = [actual[i]!, expected[i]!]
    if (Object.is(mine, right) || (Number.isNaN(mine) && Number.isNaN(right))) continue
    if (!(Math.abs(mine - right) <= allowed))
      return `${name}[${i}] is ${mine} instead of ${right}, allowed to differ by ${allowed.toExponential(2)}`
  }
  return undefined
}

/** Whether two tensors are the same to the last bit. */
export const sameBits = (a: Float32Array, b: Float32Array): boolean =>
  Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength))
