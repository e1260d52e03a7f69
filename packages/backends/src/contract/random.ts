/** Repeatable random numbers for test data: the same seed is the same tensor everywhere. */

/** Numbers in [0, 1) from a 32-bit seed (mulberry32, Tommy Ettinger). */
export const uniform = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Floats in (-scale, scale). */
export const floats = (next: () => number, length: number, scale = 1): Float32Array =>
  Float32Array.from({ length }, () => (next() * 2 - 1) * scale)

/** Whole numbers in [least, limit). */
export const integers = (next: () => number, length: number, limit: number, least = 0): Int32Array =>
  Int32Array.from({ length }, () => least + Math.floor(next() * (limit - least)))
