/**
 * Weights of 8 bits: each 64 neighbours along a row share a float32 scale, the largest magnitude being 127 of it. The native engine rounds
 * alike, so that both have the same model.
 */

/** Numbers of a row that share a scale; BLOCK in assembly/int8.ts. */
export const block = 64
/** Rows that lie together, and the bytes of a block of them: four scales, then 64 numbers of each row. */
const together = 4
const blockBytes = together * (4 + block)
/** Below this a block is zero: its scale would not be a normal number. */
const smallest = 1e-30

const even = (value: number): number => {
  const low = Math.floor(value)
  const over = value - low
  return over < 0.5 || (over === 0.5 && low % 2 === 0) ? low : low + 1
}

/** Bytes of packed weights. */
export const packedBytes = (rows: number, width: number): number =>
  Math.ceil(rows / together) * Math.ceil(width / block) * blockBytes

/** The largest magnitude; NaN where a number is none or is infinite. */
const magnitude = (values: Float32Array, begin: number, end: number): number => {
  let most = 0
  for (let i = begin; i < end; i++) {
    const size = Math.abs(values[i]!)
    if (!(size < Infinity)) return Number.NaN
    if (size > most) most = size
  }
  return most
}

/**
 * Rounds a matrix in its place and packs it at `address`: four rows' blocks side by side, in the order in which the kernel reads
 * them. A block that holds what is no finite number stays as it is, and its products are NaN.
 */
export const round = (
  values: Float32Array,
  width: number,
  memory: ArrayBufferLike,
  address: number
): void => {
  const rows = values.length / width
  const blocks = Math.ceil(width / block)
  const bytes = packedBytes(rows, width)
  const numbers = new Int8Array(memory, address, bytes)
  const scales = new Float32Array(memory, address, bytes / 4)
  numbers.fill(0)
  for (let row = 0; row < rows; row++)
    for (let index = 0; index < blocks; index++) {
      const at = (Math.floor(row / together) * blocks + index) * blockBytes
      const first = at + 4 * together + (row % together) * block
      const begin = row * width + index * block
      const end = Math.min(row * width + width, begin + block)
      const most = magnitude(values, begin, end)
      const scale = Math.fround(most / 127)
      scales[at / 4 + (row % together)] = scale
      if (Number.isNaN(most)) continue
      const inverse = most < smallest ? 0 : Math.fround(127 / most)
      for (let i = begin; i < end; i++) {
        const whole = even(Math.fround(values[i]! * inverse))
        numbers[first + i - begin] = whole
        values[i] = whole * scale
      }
    }
}
