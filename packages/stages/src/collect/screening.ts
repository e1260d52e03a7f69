/** Whether a file is text that a model should learn from, and if not, why not. */
import { isUtf8 } from "node:buffer"
import { decode, hasWideMark, type NotUtf8 } from "./encodings.ts"
import { isLfsPointer } from "./lfsPointer.ts"
import { maximumTextBytes } from "./maximumTextBytes.ts"

/** A file found in a tree: its bytes, or why they were not read. A path that ends in `/` is a folder, left out with all that is in it. */
export type Found =
  | { readonly path: string; readonly bytes: Uint8Array }
  | { readonly path: string; readonly skipped: string; readonly size: number }

export interface Limits {
  readonly maximumFileBytes: number
  /** In bytes, the line break not counted. */
  readonly maximumLineBytes: number
  /** What is done with text that is not UTF-8. */
  readonly notUtf8: NotUtf8
}

/** A text in UTF-8 without a byte order mark, and the encoding that it was in if that was another; or why the file is left out. */
export type Screened =
  | { readonly text: Uint8Array; readonly encoding?: string }
  | { readonly reason: string; readonly bytes: number }

const lineFeed = 0x0a
const carriageReturn = 0x0d

/** Lines end with LF, CRLF or, in files of old Macintoshes, with CR alone. */
const hasOverlongLine = (bytes: Uint8Array, maximum: number): boolean => {
  let start = 0
  while (bytes.length - start > maximum) {
    let end = start
    while (end - start <= maximum && bytes[end] !== lineFeed && bytes[end] !== carriageReturn) end++
    if (end - start > maximum) return true
    start = end + 1
  }
  return false
}

const hasVisible = (bytes: Uint8Array): boolean => bytes.some((byte) => byte > 0x20)

/** The text's bytes without a byte order mark. */
const withoutMark = (bytes: Uint8Array): Uint8Array =>
  bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes

/** Why the bytes are no UTF-8 text. A UTF-16 file with a mark is "not UTF-8" although it is full of NULs. */
const notText = (bytes: Uint8Array): "binary" | "not UTF-8" | undefined => {
  if (hasWideMark(bytes)) return "not UTF-8"
  if (bytes.includes(0)) return "binary"
  return isUtf8(bytes) ? undefined : "not UTF-8"
}

/** The file as text, decoded where the limits ask for that, or the reason to leave it out. */
export const screen = (bytes: Uint8Array, limits: Limits): Screened => {
  const leave = (reason: string): Screened => ({ reason, bytes: bytes.length })
  if (bytes.length > limits.maximumFileBytes) return leave("too large")
  if (isLfsPointer(bytes)) return leave("Git LFS pointer")
  if (!hasVisible(withoutMark(bytes))) return leave(bytes.includes(0) ? "binary" : "empty")
  const trouble = notText(bytes)
  let screened: { readonly text: Uint8Array; readonly encoding?: string } = { text: withoutMark(bytes) }
  if (trouble !== undefined) {
    if (limits.notUtf8 === "skip") return leave(trouble)
    const decoded = decode(bytes, limits.notUtf8)
    if (decoded === undefined) return leave(trouble === "binary" ? "binary" : "not decodable")
    screened = { text: new TextEncoder().encode(decoded.text), encoding: decoded.encoding }
    if (screened.text.length > maximumTextBytes) return leave("too large")
    if (!hasVisible(screened.text)) return leave("empty")
  }
  return hasOverlongLine(screened.text, limits.maximumLineBytes) ? leave("over-long line") : screened
}

/** File ending without the dot, lower case; "" when there is none. */
export const kindOf = (path: string): string => {
  const name = path.slice(path.lastIndexOf("/") + 1)
  const dot = name.lastIndexOf(".")
  return dot <= 0 ? "" : name.slice(dot + 1).toLowerCase()
}
