/**
 * How each lexeme of C goes on, byte by byte, as tree-sitter's grammar cuts a text. Where that grammar takes what no C compiler does, such as
 * text after `#endif`, less is read here, never more.
 */
import type { Cursor, Mode } from "./Cursor.ts"
import { anyLetter } from "./symbols.ts"

/** "read": the byte belongs to the lexeme. "again": the lexeme ended before it. "refused": it cannot follow. */
export type Outcome = "read" | "again" | "refused"

const read = (done: boolean): Outcome => (done ? "read" : "refused")
const again = (done: boolean): Outcome => (done ? "again" : "refused")

/** Sets of ASCII characters: bits of a table, since each is asked for at every character. */
const [digit, letter, space] = [1, 2, 4]
const kinds = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code)
  return (
    (/\d/.test(character) ? digit : 0) +
    (/[A-Za-z_$]/.test(character) ? letter : 0) +
    (/[ \t\f\v]/.test(character) ? space : 0)
  )
})
const isOf = (character: string, kind: number): boolean =>
  ((kinds[character.charCodeAt(0)] ?? 0) & kind) !== 0

const isDigit = (character: string): boolean => isOf(character, digit)
const isWord = (character: string): boolean => isOf(character, digit | letter)
const mostCharacters = 4
const longestLexeme = 256

const hexadecimal = /^0[xX][\da-fA-F]+(?:\.[\da-fA-F]*)?(?:[pP][-+]?\d+)?[uUlL]*$/
const decimal = /^(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?[uUlLfFdDwW]*$/
const binary = /^0[bB][01]+[uUlL]*$/

const isNumber = (text: string): boolean =>
  /^0[xX]/.test(text) ? hexadecimal.test(text) : decimal.test(text) || binary.test(text)

/** Ends of a number's beginning that make it one. */
export const numberEndings = (text: string): ReadonlyArray<string> =>
  ["", "0"].filter((ending) => isNumber(text + ending))

const quoteOf = (character: string): "string" | "character" | undefined =>
  character === '"' ? "string" : character === "'" ? "character" : undefined

const endWord = (cursor: Cursor): boolean => {
  if (!cursor.feedWord(cursor.text)) return false
  if (cursor.line === "name") cursor.line = "end"
  return cursor.to("between")
}

const endNumber = (cursor: Cursor): boolean =>
  isNumber(cursor.text) && cursor.feed(cursor.grammar.symbols.terminals.number) && cursor.to("between")

const endMark = (cursor: Cursor): boolean => {
  const { punctuation } = cursor.grammar.symbols
  const symbol = punctuation.get(cursor.text)
  if (symbol !== undefined) return cursor.feed(symbol) && cursor.to("between")
  return false
}

const endDirective = (cursor: Cursor): boolean => {
  const name = /^#[ \t]*([A-Za-z\d]\w*)$/.exec(cursor.text)?.[1]
  if (name === undefined) return false
  const { directives, of } = cursor.grammar.symbols
  const known = directives.get(name)
  const other = name === "include" || name === "define" || known === undefined
  const branch = /^(?:else|endif)$/.test(name)
  const fed = (known !== undefined && cursor.feed(known)) || (other && cursor.feed(of("preproc_directive")))
  if (!fed) return false
  cursor.line = branch ? "end" : /^(?:el)?ifn?def$/.test(name) ? "name" : "open"
  return cursor.to("between")
}

/** Ends the lexeme at the end of a text, where it is one that no byte ends. */
export const end = (cursor: Cursor): boolean => {
  switch (cursor.mode) {
    case "between":
      return !cursor.carriageReturn
    case "word":
      return endWord(cursor)
    case "number":
      return endNumber(cursor)
    case "mark":
      return endMark(cursor)
    case "directive":
      return endDirective(cursor)
    case "line-comment":
      return cursor.text === ""
    default:
      return false
  }
}

/**
 * A word so far, as far as it matters: one that no keyword begins with is a name, of which its length and whether it ends with a digit matter.
 * So places after different names are equal, and what is remembered of one holds for all.
 */
const wordText = ({ grammar }: Cursor, before: string, character: string): string => {
  const longer = grammar.symbols.words.get(before)?.get(character)
  if (longer !== undefined) return longer
  return names[before.length]?.[isDigit(character) ? 1 : 0] ?? before + character
}

/** By length less one: a name that ends with a letter, and one that ends with a digit. */
const names = Array.from({ length: longestLexeme }, (_, length) => {
  const beginning = anyLetter.repeat(length)
  return [`${beginning}${anyLetter}`, `${beginning}0`] as const
})

/** A prefix of a literal, such as `L"`, is read with its quote. */
const word = (cursor: Cursor, character: string): Outcome => {
  if (isWord(character)) {
    cursor.text = wordText(cursor, cursor.text, character)
    return read(cursor.text.length <= longestLexeme)
  }
  const quote = quoteOf(character)
  if (quote !== undefined && cursor.line !== "name" && /^(?:L|u|U|u8)$/.test(cursor.text))
    return read(cursor.feed(cursor.grammar.symbols.of(cursor.text + character)) && cursor.to(quote))
  return again(endWord(cursor))
}

const number = (cursor: Cursor, character: string): Outcome => {
  const isSign = /[-+]/.test(character) && /[eEpP]$/.test(cursor.text)
  if (isSign || /[\w.']/.test(character)) {
    cursor.text += character
    return read(cursor.text.length <= longestLexeme)
  }
  return again(endNumber(cursor))
}

const comment = (cursor: Cursor, mode: Mode): Outcome => read(cursor.feedComment() && cursor.to(mode))

const mark = (cursor: Cursor, character: string): Outcome => {
  const { marks, punctuation } = cursor.grammar.symbols
  if (cursor.text === "/" && character === "/") return comment(cursor, "line-comment")
  if (cursor.text === "/" && character === "*") return comment(cursor, "block-comment")
  if (cursor.text === "." && isDigit(character)) return read(cursor.to("number", `.${character}`))
  const longer = marks.get(cursor.text)?.get(character)
  // These are two marks wherever they cannot be one.
  const either = longer === "[[" || longer === "]]" || longer === "::"
  if (longer !== undefined && (!either || cursor.may(punctuation.get(longer)!))) {
    cursor.text = longer
    return "read"
  }
  return again(endMark(cursor))
}

/** `\\+(.|\r?\n)` goes on in the next line. `text` is "\\" after backslashes. */
const lineComment = (cursor: Cursor, character: string): Outcome => {
  if (cursor.text === "\\\r") {
    cursor.text = ""
    return character === "\n" ? "read" : "refused"
  }
  if (cursor.text === "" && character === "\n") return again(cursor.to("between"))
  if (character === "\\") cursor.text = "\\"
  else cursor.text = cursor.text === "\\" && character === "\r" ? "\\\r" : ""
  return "read"
}

const blockComment = (cursor: Cursor, character: string): Outcome => {
  if (cursor.text === "*" && character === "/") return read(cursor.to("between"))
  cursor.text = character === "*" ? "*" : ""
  return "read"
}

/** `text` is "content" within a run of characters, which is one terminal. */
const string = (cursor: Cursor, character: string): Outcome => {
  const { quote, stringContent } = cursor.grammar.symbols.terminals
  if (character === '"') return read(cursor.feed(quote) && cursor.to("between"))
  if (character === "\\") return read(cursor.to("string-escape"))
  if (character === "\r" || character === "\n") return "refused"
  return read(cursor.text === "content" || (cursor.feed(stringContent) && cursor.to("string", "content")))
}

/** How many hexadecimal digits an escape needs. */
const escapeDigits: Readonly<Record<string, number>> = { x: 1, u: 4, U: 8 }

const escape = (cursor: Cursor, character: string): Outcome => {
  const ended = (): Outcome =>
    read(
      cursor.feed(cursor.grammar.symbols.terminals.escape) &&
        (cursor.mode === "string-escape" ? cursor.to("string") : cursor.to("character", "."))
    )
  const kind = cursor.text[0]
  if (kind !== undefined) {
    if (!/[\da-fA-F]/.test(character)) return "refused"
    cursor.text += character
    return cursor.text.length > escapeDigits[kind]! ? ended() : "read"
  }
  if (escapeDigits[character] !== undefined) {
    cursor.text = character
    return "read"
  }
  const allowed = cursor.mode === "string-escape" ? /^[ -~\n]$/ : /^[ -~]$/
  return allowed.test(character) ? ended() : "refused"
}

/** `text` has a dot for each character; "/" where nothing but the end may follow. */
const character = (cursor: Cursor, next: string): Outcome => {
  const { apostrophe, character: any } = cursor.grammar.symbols.terminals
  if (next === "'") return read(cursor.text !== "" && cursor.feed(apostrophe) && cursor.to("between"))
  if (cursor.text === "/" || cursor.text.length >= mostCharacters || /[\r\n]/.test(next)) return "refused"
  if (next === "\\") return cursor.text === "" ? read(cursor.to("character-escape")) : "refused"
  if (/\w/.test(next)) return read(cursor.feed(any) && cursor.to("character", `${cursor.text}.`))
  // Two of these could begin a comment, or be skipped as whitespace.
  return read(cursor.text === "" && cursor.feed(any) && cursor.to("character", "/"))
}

const library = (cursor: Cursor, character: string): Outcome => {
  if (character === ">")
    return read(
      cursor.text !== "" && cursor.feed(cursor.grammar.symbols.terminals.library) && cursor.to("between")
    )
  cursor.text = "."
  return read(/[\w./+-]/.test(character))
}

const directive = (cursor: Cursor, character: string): Outcome => {
  const begun = /\w/.test(cursor.text)
  const goesOn = (begun ? /\w/ : /[A-Za-z\d]/).test(character)
  if (goesOn || (/[ \t]/.test(character) && !begun)) {
    cursor.text += character
    return read(cursor.text.length < longestLexeme)
  }
  return again(endDirective(cursor))
}

/** The rest of a directive's line. `text`: its last character where that matters; "." otherwise; empty at its beginning. */
const argument = (cursor: Cursor, character: string): Outcome => {
  const before = cursor.text
  const argumentEnds = (): boolean => cursor.feed(cursor.grammar.symbols.terminals.argument)
  if (before === "start/") {
    if (character === "/") return comment(cursor, "line-comment")
    if (character === "*") return comment(cursor, "block-comment")
    return read(/[^\n\\]/.test(character) && cursor.to("argument", "."))
  }
  if (before === "start\\") {
    if (character === "\n") {
      cursor.spaced = true
      return read(cursor.to("between"))
    }
    return character === "\r" ? "refused" : cursor.to("argument", ".") && argument(cursor, character)
  }
  if (before === "/") {
    if (character === "*") return argumentEnds() ? comment(cursor, "block-comment") : "refused"
    return read(/[^\n\\]/.test(character) && cursor.to("argument", "."))
  }
  if (character === "\n")
    return before === "\\" || before === "\\\r"
      ? read(cursor.to("argument", "."))
      : again(argumentEnds() && cursor.to("between"))
  if (character === "\r") return read(cursor.to("argument", before === "\\" ? "\\\r" : "."))
  return read(cursor.to("argument", character === "/" || character === "\\" ? character : "."))
}

const startsArgument = (cursor: Cursor, character: string): Outcome => {
  if (character === "(" && !cursor.spaced && cursor.feed(cursor.grammar.symbols.macroParenthesis))
    return "read"
  if (character === "/" || character === "\\") return read(cursor.to("argument", `start${character}`))
  return read(cursor.to("argument", "."))
}

const newline = (cursor: Cursor): Outcome => {
  const { immediateNewline: immediate, newline: any } = cursor.grammar.symbols.terminals
  if (cursor.may(any) || cursor.may(immediate)) {
    // No space may stand before the end of some directives.
    if (!cursor.feed(any) && (cursor.spaced || !cursor.feed(immediate))) return "refused"
  } else if (cursor.line === "open" || cursor.line === "name") return "refused"
  cursor.line = "none"
  cursor.lineStart = true
  cursor.spaced = true
  return "read"
}

const between = (cursor: Cursor, character: string): Outcome => {
  const { marks, terminals } = cursor.grammar.symbols
  if (character === "\n") return newline(cursor)
  if (isOf(character, space)) {
    cursor.spaced = true
    return "read"
  }
  if (character === "\r") {
    cursor.carriageReturn = true
    return "read"
  }
  if (cursor.may(terminals.argument)) return startsArgument(cursor, character)
  // Elsewhere it stands for nothing, and the grammar does not read one at the end of a text.
  if (character === "\\") return read(cursor.line === "open" && cursor.to("splice"))
  if (character === "/") return read(cursor.to("mark", "/"))
  if (cursor.line === "end") return "refused"
  if (isOf(character, letter)) return read(cursor.to("word", wordText(cursor, "", character)))
  if (cursor.line === "name") return "refused"
  if (isDigit(character)) return read(cursor.to("number", character))
  const quote = quoteOf(character)
  if (quote !== undefined)
    return read(cursor.feed(quote === "string" ? terminals.quote : terminals.apostrophe) && cursor.to(quote))
  if (character === "<" && cursor.may(terminals.library)) return read(cursor.to("library"))
  if (character === "#")
    return read(cursor.lineStart && cursor.line === "none" && cursor.to("directive", "#"))
  return read(marks.get("")?.has(character) === true && cursor.to("mark", character))
}

/** A backslash between lexemes: its line goes on in the next. */
const splice = (cursor: Cursor, character: string): Outcome => {
  if (character === "\r" && cursor.text === "") return read(cursor.to("splice", "\r"))
  cursor.spaced = true
  return read(character === "\n" && cursor.to("between"))
}

export const modes: Readonly<Record<Mode, (cursor: Cursor, character: string) => Outcome>> = {
  between,
  splice,
  word,
  number,
  mark,
  "line-comment": lineComment,
  "block-comment": blockComment,
  string,
  "string-escape": escape,
  character,
  "character-escape": escape,
  library,
  directive,
  argument
}
