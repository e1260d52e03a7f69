/** Whether a file is text that a model should learn from, and if not, why not. */
import { isUtf8 } from "node:buffer"
import { isLfsPointer } from "./lfsPointer.ts"

/** A file found in a source: its bytes, or why they were not read. */
export type Found =
  | { readonly path: string; readonly bytes: Uint8Array }
  | { readonly path: string; readonly skipped: Reason; readonly size: number }

export type Reason =
  | "empty"
  | "binary"
  | "not UTF-8"
  | "too large"
  | "over-long line"
  | "duplicate"
  | "link"
  | "submodule"
  | "odd name"
  | "Git LFS pointer"
  | "not readable"
  | "over a limit"

export interface Limits {
  readonly maximumFileBytes: number
  /** In bytes, the line break not counted. */
  readonly maximumLineBytes: number
}

const lineFeed = 0x0a

const hasOverlongLine = (bytes: Uint8Array, maximum: number): boolean => {
  let start = 0
  while (bytes.length - start > maximum) {
    const end = bytes.indexOf(lineFeed, start)
    if ((end === -1 ? bytes.length : end) - start > maximum) return true
    start = end + 1
  }
  return false
}

const hasVisible = (bytes: Uint8Array): boolean => bytes.some((byte) => byte > 0x20)

/** The text's bytes without a byte order mark. */
export const withoutMark = (bytes: Uint8Array): Uint8Array =>
  bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes

/** Undefined for a text; otherwise the reason to leave it out. A UTF-16 file is "not UTF-8" although it is full of NULs. */
export const judge = (bytes: Uint8Array, limits: Limits): Reason | undefined => {
  if (bytes.length > limits.maximumFileBytes) return "too large"
  if (!hasVisible(withoutMark(bytes))) return bytes.includes(0) ? "binary" : "empty"
  const utf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)
  if (utf16) return "not UTF-8"
  if (bytes.includes(0)) return "binary"
  if (!isUtf8(bytes)) return "not UTF-8"
  if (isLfsPointer(bytes)) return "Git LFS pointer"
  if (hasOverlongLine(bytes, limits.maximumLineBytes)) return "over-long line"
  return undefined
}

/** File ending without the dot, lower case; "" when there is none. */
export const kindOf = (path: string): string => {
  const name = path.slice(path.lastIndexOf("/") + 1)
  const dot = name.lastIndexOf(".")
  return dot <= 0 ? "" : name.slice(dot + 1).toLowerCase()
}
