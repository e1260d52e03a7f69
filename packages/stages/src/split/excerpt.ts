/** A part of a long document: what the validation split has of it. */
import { draws } from "../model/draws.ts"

/** Bytes `from` to `to - 1` of a text. */
export interface Excerpt {
  readonly from: number
  readonly to: number
}

const lineFeed = 0x0a

/** Whether a character of UTF-8 begins at this byte: bytes after the first of one are 10xxxxxx. */
const isBoundary = (text: Uint8Array, at: number): boolean => at >= text.length || (text[at]! & 0xc0) !== 0x80

const boundaryBefore = (text: Uint8Array, at: number): number => {
  let boundary = at
  while (!isBoundary(text, boundary)) boundary--
  return boundary
}

/**
 * Up to `bytes` bytes of a text in one piece, whole lines where they are shorter than that. The whole text where it is no longer. The place is
 * drawn from the seed and the text's own digest, so that other documents do not move it: the beginning alone would show mostly licences
 * and includes, of which a long document has a smaller share.
 *
 * `bytes` must be 4 or more, the longest character.
 */
export const excerpt = (text: Uint8Array, bytes: number, seed: number, digest: string): Excerpt => {
  if (text.length <= bytes) return { from: 0, to: text.length }
  const drawn = Math.floor(draws(seed, "excerpt", digest)() * (text.length - bytes + 1))
  // The line that the place is in; a line longer than the excerpt is entered where the place is.
  const line = drawn === 0 ? 0 : text.lastIndexOf(lineFeed, drawn - 1) + 1
  const from = drawn - line < bytes ? line : boundaryBefore(text, drawn)
  const limit = Math.min(text.length, from + bytes)
  if (limit === text.length) return { from, to: limit }
  const lastLine = text.lastIndexOf(lineFeed, limit - 1) + 1
  return { from, to: lastLine > from ? lastLine : boundaryBefore(text, limit) }
}
