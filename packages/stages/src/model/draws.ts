/**
 * Random numbers that are a pure function of what they are for: the same parts give the same numbers in the same order, so
 * there is no generator state to save. SHA-256 of the parts seeds sfc32 (Doty-Humphrey 2014, PractRand), whose numbers are
 * drawn one after the other.
 */
import { hash } from "node:crypto"

/** Gives one number in [0, 1) a call. */
export type Draw = () => number

/** SHA-256 of the parts, a character a byte: a string costs less than a buffer, and one is made for each token. */
const digestOf = (parts: ReadonlyArray<number | string>): string =>
  hash("sha256", JSON.stringify(parts), "binary")

/** Four bytes, the lowest first, as a signed integer. */
const wordAt = (digest: string, at: number): number =>
  digest.charCodeAt(at) |
  (digest.charCodeAt(at + 1) << 8) |
  (digest.charCodeAt(at + 2) << 16) |
  (digest.charCodeAt(at + 3) << 24)

/**
 * Starts the numbers that belong to these parts.
 *
 * @example
 * ```ts
 * const draw = draws(seed, "epoch", 3)
 * const first = draw()
 * ```
 */
export const draws = (...parts: ReadonlyArray<number | string>): Draw => {
  const digest = digestOf(parts)
  let a = wordAt(digest, 0)
  let b = wordAt(digest, 4)
  let c = wordAt(digest, 8)
  let counter = 1
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return t >>> 0
  }
  for (let round = 0; round < 12; round++) next()
  return () => next() / 4294967296
}

/** Fills an array with N(0, deviation²), by the Box-Muller transform. */
export const fillNormal = (values: Float32Array, deviation: number, draw: Draw): void => {
  for (let i = 0; i < values.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - draw())) * deviation
    const angle = 2 * Math.PI * draw()
    values[i] = radius * Math.cos(angle)
    if (i + 1 < values.length) values[i + 1] = radius * Math.sin(angle)
  }
}

/** The integers 0 .. size-1 in a drawn order (Fisher-Yates). */
export const permutation = (size: number, draw: Draw): Uint32Array => {
  const order = Uint32Array.from({ length: size }, (_, index) => index)
  for (let last = size - 1; last > 0; last--) {
    const other = Math.floor(draw() * (last + 1))
    const held = order[last]!
    order[last] = order[other]!
    order[other] = held
  }
  return order
}

/** A 31-bit integer seed, for what takes one number: the dropout of a step. */
export const integerSeed = (...parts: ReadonlyArray<number | string>): number =>
  wordAt(digestOf(parts), 0) & 0x7fffffff
