/** Decodes text that is not UTF-8. The tables are the library's own, not the machine's, so that a file gives the same text everywhere. */
import { analyse } from "chardet"
import iconv from "iconv-lite"

/** Leave out what is not UTF-8, detect its encoding, or read it in the encoding of this name. */
export type NotUtf8 = "skip" | "detect" | (string & {})

export interface Decoded {
  readonly text: string
  readonly encoding: string
}

/** Whether text can be decoded from an encoding of this name. */
export const isEncoding = (name: string): boolean =>
  iconv.encodingExists(name) && !/^(base64|hex|internal|_|utf7imap)/i.test(name)

/** The encoding that a byte order mark states. UTF-32's begins as that of UTF-16 does. */
const markOf = (bytes: Uint8Array): string | undefined => {
  const [a, b, c, d] = bytes
  if (a === 0xff && b === 0xfe) return c === 0 && d === 0 && bytes.length % 4 === 0 ? "UTF-32LE" : "UTF-16LE"
  if (a === 0xfe && b === 0xff) return "UTF-16BE"
  return a === 0 && b === 0 && c === 0xfe && d === 0xff ? "UTF-32BE" : undefined
}

/** Whether the bytes begin with a byte order mark of UTF-16 or UTF-32. */
export const hasWideMark = (bytes: Uint8Array): boolean => markOf(bytes) !== undefined

/** What no text has: a replacement for what could not be decoded, control characters, halves of pairs, code points that mean nothing. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose
const neverInText = /[\u0000-\u0007\u000e-\u0019\u001c-\u001f\u007f-\u009f\ufffd-\uffff\ufdd0-\ufdef]|\p{Cs}/u

const decodeAs = (bytes: Uint8Array, encoding: string): Decoded | undefined => {
  if (/^utf-?16/i.test(encoding) && bytes.length % 2 === 1) return undefined
  const text = iconv.decode(bytes, encoding)
  return neverInText.test(text) ? undefined : { text, encoding }
}

/** Whether so much of a text is ASCII as of any source code, in whatever language its comments are. */
const isLikelyWide = (text: string): boolean => {
  let ascii = 0
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 0x80) ascii++
  return ascii * 5 >= text.length
}

/** UTF-16 without a mark. Bytes that are text in one order are hardly ever text in the other. */
const decodeUnmarked = (bytes: Uint8Array): Decoded | undefined =>
  ["UTF-16LE", "UTF-16BE"]
    .map((encoding) => decodeAs(bytes, encoding))
    .find((decoded) => decoded !== undefined && isLikelyWide(decoded.text))

/** Below this the library guesses. */
const minimumConfidence = 10
/** Enough to detect an encoding; a limit, so that a large file does not take minutes. */
const sampleBytes = 1 << 16
/** Fewer bytes beyond ASCII than this are not enough to detect an encoding. */
const minimumSampleBytes = 4
const lineFeed = 0x0a

/** The lines that are not all ASCII, which are those that depend on the encoding, and how many of their bytes are not. */
const sampleLines = (bytes: Uint8Array): { readonly sample: Uint8Array; readonly high: number } => {
  const lines: Array<Uint8Array> = []
  let taken = 0
  let high = 0
  for (let start = 0; start < bytes.length && taken < sampleBytes; ) {
    const next = bytes.indexOf(lineFeed, start)
    const line = bytes.subarray(start, next === -1 ? bytes.length : next + 1)
    const here = line.reduce((sum, byte) => sum + (byte < 0x80 ? 0 : 1), 0)
    if (here > 0) {
      lines.push(line)
      taken += line.length
      high += here
    }
    start += line.length
  }
  return { sample: Buffer.concat(lines).subarray(0, sampleBytes), high }
}

/** The most confident encoding whose decoding is a text throughout; Western European where the sample is too small. */
const detect = (bytes: Uint8Array): Decoded | undefined => {
  const { high, sample } = sampleLines(bytes)
  const likely = analyse(sample).flatMap(({ confidence, name }) =>
    confidence < minimumConfidence || /^(UTF-|ASCII)/i.test(name) || !isEncoding(name) ? [] : [name]
  )
  for (const encoding of high < minimumSampleBytes ? ["windows-1252", ...likely] : likely) {
    const decoded = decodeAs(bytes, encoding)
    if (decoded !== undefined) return decoded
  }
  return undefined
}

/**
 * The text of bytes that are not UTF-8; undefined when they are no text in the named encoding, or in any that can be detected. A byte
 * order mark overrides the name.
 */
export const decode = (bytes: Uint8Array, choice: NotUtf8): Decoded | undefined => {
  const marked = markOf(bytes)
  if (marked !== undefined) return decodeAs(bytes, marked)
  if (choice !== "detect") return decodeAs(bytes, choice)
  // Text in an encoding of single bytes, or one that grew from ASCII, has no NUL.
  return bytes.includes(0) ? decodeUnmarked(bytes) : detect(bytes)
}
