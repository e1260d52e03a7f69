/** The tokens of a C text, as far as the boundaries of its items depend on them. */

/** `mark`: one character of punctuation. `directive`: a preprocessor line, `text` its name. */
export interface Token {
  readonly kind: "word" | "literal" | "mark" | "directive"
  readonly text: string
  /** Index in the text after the token. */
  readonly end: number
}

const endOfLine = (text: string, from: number): number => {
  const end = text.indexOf("\n", from)
  return end < 0 ? text.length : end
}

/** Index after the newline that ends a directive, or -1. A comment in it may span lines, and a backslash continues it. */
const endOfDirective = (text: string, from: number): number => {
  for (let at = from; at < text.length; at++) {
    if (text.startsWith("/*", at)) {
      const end = text.indexOf("*/", at + 2)
      if (end < 0) return -1
      at = end + 1
    } else if (text[at] === "\n" && text[at - 1] !== "\\" && text.slice(at - 2, at) !== "\\\r") {
      return at + 1
    }
  }
  return -1
}

/** Index after the closing quote. A literal that its line leaves open ends with the line; the parser reports it. */
const endOfLiteral = (text: string, from: number, quote: string): number => {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === "\\") at++
    else if (text[at] === quote) return at + 1
    else if (text[at] === "\n") return at
  }
  return text.length
}

const endOfWord = (text: string, from: number): number => {
  const word = /\w+/y
  word.lastIndex = from
  return word.test(text) ? word.lastIndex : from + 1
}

/** Reads tokens in order. Ends early at a comment or a directive that the text does not finish. */
export function* tokensOf(text: string): Generator<Token, void> {
  let lineStart = true
  for (let at = 0; at < text.length; ) {
    const character = text[at]!
    if (character === "\n") {
      lineStart = true
      at++
    } else if (/[ \t\r\f]/.test(character)) {
      at++
    } else if (text.startsWith("//", at)) {
      at = endOfLine(text, at)
    } else if (text.startsWith("/*", at)) {
      const end = text.indexOf("*/", at + 2)
      if (end < 0) return
      at = end + 2
    } else if (character === "#" && lineStart) {
      const end = endOfDirective(text, at)
      if (end < 0) return
      yield { kind: "directive", text: /^#\s*(\w*)/.exec(text.slice(at, end))?.[1] ?? "", end }
      at = end
    } else {
      lineStart = false
      const kind = /["']/.test(character) ? "literal" : /\w/.test(character) ? "word" : "mark"
      const end =
        kind === "literal"
          ? endOfLiteral(text, at, character)
          : kind === "word"
            ? endOfWord(text, at)
            : at + 1
      yield { kind, text: text.slice(at, end), end }
      at = end
    }
  }
}
