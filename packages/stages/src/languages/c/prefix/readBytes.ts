/** Reads bytes of UTF-8: whole characters, of which those outside ASCII stand in comments, strings and directives only. */
import type { Cursor } from "./Cursor.ts"
import { modes } from "./lexemes.ts"

/** A character outside ASCII, as the modes see it: what it is makes no difference. */
const other = "\u00e9"

/** What follows the first byte of a character: how many bytes, and the range of the first of them (Unicode 15, table 3-7). */
const following = (byte: number): readonly [count: number, least: number, most: number] | undefined => {
  if (byte >= 0xc2 && byte <= 0xdf) return [1, 0x80, 0xbf]
  if (byte >= 0xe0 && byte <= 0xef) return [2, byte === 0xe0 ? 0xa0 : 0x80, byte === 0xed ? 0x9f : 0xbf]
  if (byte >= 0xf0 && byte <= 0xf4) return [3, byte === 0xf0 ? 0x90 : 0x80, byte === 0xf4 ? 0x8f : 0xbf]
  return undefined
}

/** A line that begins a section for C++ alone, up to its name: the judge leaves such sections out, see `withoutCplusplus`. */
const cplusplusLine = /^\s*#\s*(?:ifdef\s+|if\s+defined\s*\(?\s*)__cplusplus$/
const longestLine = 80
/** Stands for a line that begins no directive. */
const noDirective = "."

/** The beginning of the line with one more character: nothing is kept of a line that begins no directive. */
const beginningOf = (beginning: string, character: string): string => {
  if (beginning === noDirective || beginning.length >= longestLine) return beginning
  // Of those below the space, only whitespace is read.
  const isSpace = character <= " "
  if (beginning === "" || beginning === " ") return isSpace ? " " : character === "#" ? "#" : noDirective
  return isSpace && /\s$/.test(beginning) ? beginning : beginning + character
}

const readCharacter = (cursor: Cursor, character: string): boolean => {
  if (character === "\n") cursor.beginning = ""
  else {
    cursor.beginning = beginningOf(cursor.beginning, character)
    if (character === "s" && cursor.beginning !== noDirective && cplusplusLine.test(cursor.beginning))
      return false
  }
  if (cursor.carriageReturn) {
    if (character !== "\n") return false
    cursor.carriageReturn = false
  }
  // A lexeme ends at most once before a character, and a comment in a directive once more.
  for (let tries = 0; tries < 4; tries++) {
    const outcome = modes[cursor.mode](cursor, character)
    if (outcome !== "again") return outcome === "read"
  }
  return false
}

/** Reads a byte. False where it cannot follow; the cursor is then of no use. */
const readByte = (cursor: Cursor, byte: number): boolean => {
  if (cursor.continuation > 0) {
    if (byte < cursor.least || byte > cursor.most) return false
    cursor.continuation--
    cursor.least = 0x80
    cursor.most = 0xbf
    return cursor.continuation > 0 || readCharacter(cursor, other)
  }
  if (byte < 0x80)
    return (byte >= 0x20 && byte !== 0x7f) || (byte >= 0x09 && byte <= 0x0d)
      ? readCharacter(cursor, String.fromCharCode(byte))
      : false
  const more = following(byte)
  if (more === undefined || !mayHoldText(cursor)) return false
  ;[cursor.continuation, cursor.least, cursor.most] = more
  return true
}

/** Whether a character outside ASCII may come here. */
const mayHoldText = ({ mode, text }: Cursor): boolean =>
  mode === "line-comment" ||
  mode === "block-comment" ||
  mode === "string" ||
  mode === "argument" ||
  (mode === "character" && text === "")

/** Reads bytes. False where they cannot follow; the cursor is then of no use. `onWord` hears of each word of code that begins or ends among them. */
export const readBytes = (
  cursor: Cursor,
  bytes: Uint8Array,
  onWord?: (cursor: Cursor, edge: "begin" | "end", at: number) => void
): boolean => {
  for (let at = 0; at < bytes.length; at++) {
    const wasWord = cursor.mode === "word"
    if (!readByte(cursor, bytes[at]!)) return false
    if (wasWord !== (cursor.mode === "word")) onWord?.(cursor, wasWord ? "end" : "begin", at)
  }
  return true
}
