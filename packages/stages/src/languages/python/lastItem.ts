/**
 * Where the last complete top-level item of a Python text ends, for texts that a token limit cut off. This is lexical: it reads strings,
 * comments, brackets and indentation; whether the text up to there is Python is for the parser to say.
 *
 * A simple statement is complete at the end of its line. A statement with an indented block is complete when a line follows that begins
 * another item: one without indentation that is neither a comment nor `else`, `elif`, `except` or `finally`.
 */
import type { LastItem } from "../Language.ts"

/** A logical line: its physical lines are joined by brackets, strings and backslashes. `whole`: it ends with a newline. */
interface Line {
  readonly start: number
  readonly end: number
  readonly whole: boolean
}

const quote = /^(?:"""|'''|"|')/

/** Index after a string literal that begins at `from`, or -1 where the text ends within it. One that its line leaves open ends there. */
const endOfString = (text: string, from: number): number => {
  const mark = quote.exec(text.slice(from, from + 3))![0]
  for (let at = from + mark.length; at < text.length; at++) {
    if (text[at] === "\\") at++
    else if (text.startsWith(mark, at)) return at + mark.length
    else if (text[at] === "\n" && mark.length === 1) return at
  }
  return -1
}

/** Where the logical line that begins at `start` ends, its newline included. */
const logicalLine = (text: string, start: number): Line => {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const character = text[at]!
    if (character === "\n" && depth === 0) return { start, end: at + 1, whole: true }
    if (character === "\\") at += text.startsWith("\r\n", at + 1) ? 2 : 1
    else if (character === "#") {
      const end = text.indexOf("\n", at)
      if (end < 0) break
      at = end - 1
    } else if (character === '"' || character === "'") {
      const end = endOfString(text, at)
      if (end < 0) break
      at = end - 1
    } else if ("([{".includes(character)) depth++
    else if (")]}".includes(character)) depth = Math.max(0, depth - 1)
  }
  return { start, end: text.length, whole: false }
}

const continuations = ["else", "elif", "except", "finally"]

/** Whether a line that was cut off could still become a continuation of the item before it. */
const mayContinue = (line: string, whole: boolean): boolean => {
  const word = /^\w*/.exec(line)![0]
  const isCut = !whole && word.length === line.length
  return isCut ? continuations.some((each) => each.startsWith(word)) : continuations.includes(word)
}

/** A line that opens a block: its code ends with a colon. */
const opensBlock = (line: string): boolean => /:\s*(#[^\n]*)?$/.test(line.trimEnd())

/** What has been read of the item at hand. */
type Reading = "nothing" | "decorators" | "block"

export const lastItem = (text: string): LastItem => {
  let end = 0
  let reading: Reading = "nothing"
  /** Where the block ends, as far as it has been read. */
  let blockEnd = 0
  for (let at = 0; at < text.length; ) {
    const line = logicalLine(text, at)
    const code = text.slice(line.start, line.end)
    at = line.end
    if (/^\s*(#|$)/.test(code)) continue
    const isPart = /^[ \t\f]/.test(code) || mayContinue(code, line.whole)
    if (!isPart && reading === "block") {
      end = blockEnd
      reading = "nothing"
    }
    if (!line.whole) break
    if (isPart && reading === "block") blockEnd = line.end
    else if (code.startsWith("@")) reading = "decorators"
    else if (opensBlock(code)) {
      reading = "block"
      blockEnd = line.end
    } else {
      end = line.end
      reading = "nothing"
    }
  }
  return { end, closing: "" }
}
