/** The shingles of a text: hashes of its runs of n tokens. Whitespace is no token, so texts that differ in it alone have the same ones. */

import { mix } from "../collect/mix.ts"

const isWord = (code: number): boolean =>
  (code >= 97 && code <= 122) ||
  (code >= 65 && code <= 90) ||
  (code >= 48 && code <= 57) ||
  code === 95 ||
  (code > 127 && !isSpace(code))

const isSpace = (code: number): boolean =>
  code <= 32 ||
  code === 127 ||
  code === 0xa0 ||
  code === 0xfeff ||
  code === 0x2028 ||
  code === 0x2029 ||
  code === 0x3000

/** FNV-1a, 32 bits, over UTF-16 code units. */
const fnvOffset = 0x811c9dc5
const fnvPrime = 0x01000193

/** Arrays that are used for one text after the other: made anew for each, they would be most of the memory that `refine` takes. */
export class Buffers {
  tokens = new Uint32Array(1024)
  shingles = new Uint32Array(1024)
}

/**
 * Hashes of a text's tokens, in order: a run of letters, digits, `_` and non-ASCII characters, or one other character. They are valid until the buffers are
 * used again.
 */
export const tokenHashes = (text: string, buffers = new Buffers()): Uint32Array => {
  let hashes = buffers.tokens
  let tokens = 0
  for (let at = 0; at < text.length; ) {
    let code = text.charCodeAt(at++)
    if (isSpace(code)) continue
    let hash = Math.imul(fnvOffset ^ code, fnvPrime)
    if (isWord(code)) {
      for (; at < text.length && isWord((code = text.charCodeAt(at))); at++)
        hash = Math.imul(hash ^ code, fnvPrime)
    }
    if (tokens === hashes.length) {
      const longer = new Uint32Array(2 * tokens)
      longer.set(hashes)
      hashes = longer
    }
    hashes[tokens++] = mix(hash)
  }
  buffers.tokens = hashes
  return hashes.subarray(0, tokens)
}

/**
 * The shingles of a text in its order, each as often as it occurs. A text with fewer than `length` tokens has one shingle of all of them; one
 * without tokens has none. They are valid until the buffers are used again.
 */
export const allShinglesOf = (text: string, length: number, buffers = new Buffers()): Uint32Array => {
  const tokens = tokenHashes(text, buffers)
  if (tokens.length === 0) return new Uint32Array()
  const size = Math.min(length, tokens.length)
  const count = tokens.length - size + 1
  if (buffers.shingles.length < count) buffers.shingles = new Uint32Array(2 * count)
  const all = buffers.shingles.subarray(0, count)
  for (let start = 0; start < all.length; start++) {
    let hash = size
    for (let at = start; at < start + size; at++)
      hash = Math.imul(hash ^ tokens[at]!, 0x9e3779b1) ^ (hash >>> 15)
    all[start] = mix(hash)
  }
  return all
}

/** The different shingles of a text, in ascending order. They are valid until the buffers are used again. */
export const shinglesOf = (text: string, length: number, buffers = new Buffers()): Uint32Array => {
  const all = allShinglesOf(text, length, buffers)
  all.sort()
  let different = 0
  for (let at = 0; at < all.length; at++) {
    if (at === 0 || all[at] !== all[at - 1]) all[different++] = all[at]!
  }
  return all.subarray(0, different)
}

/** Jaccard similarity of two sets in ascending order: shared members by all members. 0 where both are empty. */
export const jaccard = (one: Uint32Array, other: Uint32Array): number => {
  let shared = 0
  for (let a = 0, b = 0; a < one.length && b < other.length; ) {
    const difference = one[a]! - other[b]!
    if (difference === 0) shared++
    if (difference <= 0) a++
    if (difference >= 0) b++
  }
  const all = one.length + other.length - shared
  return all === 0 ? 0 : shared / all
}
