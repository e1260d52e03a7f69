/** The terminals of tree-sitter's C grammar: how they are written, and what they cost in a completion. */
import { Record } from "effect"
import type { ParseTables } from "../../lr/ParseTables.ts"

/** Keywords of C that are never names here, though the grammar lets them be where they cannot be keywords. */
const reserved = new Set(
  "auto break case char const continue default do double else enum extern float for goto if inline int long register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while".split(
    " "
  )
)

const primitiveTypes = [
  ..."bool char int float double void size_t ssize_t ptrdiff_t intptr_t uintptr_t charptr_t nullptr_t max_align_t".split(
    " "
  ),
  ...[8, 16, 32, 64].flatMap((bits) => [`int${bits}_t`, `uint${bits}_t`, `char${bits}_t`])
]

/** A letter that no keyword begins with. */
export const anyLetter = "Z"

/** Beginnings of literals that are beginnings of words, too. */
const literalPrefixes = ["L", "u", "U", "u8"]

/** Words that the grammar has one terminal for, by the terminal's name. */
const words: Readonly<Record<string, ReadonlyArray<string>>> = {
  primitive_type: primitiveTypes,
  true: ["TRUE", "true"],
  false: ["FALSE", "false"],
  ms_restrict_modifier: ["__restrict"],
  ms_unsigned_ptr_modifier: ["__uptr"],
  ms_signed_ptr_modifier: ["__sptr"]
}

/** Directives that have a terminal, by their names. */
const directives = "include define if endif ifdef ifndef else elif elifdef elifndef".split(" ")

/** Terminals that completions may have, with how they are written and a cost in tenths of a byte. Other punctuation costs 10 a character. */
const written: Readonly<Record<string, readonly [text: string, cost: number]>> = {
  identifier: ["x", 12],
  number_literal: ["0", 11],
  primitive_type: ["int", 40],
  system_lib_string: ["<x>", 30],
  "#endif": ["\n#endif\n", 80],
  preproc_include_token2: ["\n", 10],
  "\n": ["\n", 10],
  while: [" while", 60],
  character: ["0", 15],
  string_content: ["0", 15]
}

const isPunctuation = (name: string): boolean => /^[^\w\s]+$/.test(name)

/** The grammar's names of terminals that are needed at every character. */
const terminalNames = {
  identifier: "identifier",
  number: "number_literal",
  comment: "comment",
  stringContent: "string_content",
  escape: "escape_sequence",
  character: "character",
  library: "system_lib_string",
  argument: "preproc_arg",
  newline: "\n",
  immediateNewline: "preproc_include_token2",
  quote: '"',
  apostrophe: "'",
  star: "*"
} as const

/** For each beginning and character, the longer beginning, where it is one: a lookup without a new string. */
export type Longer = ReadonlyMap<string, ReadonlyMap<string, string>>

export interface Symbols {
  readonly names: ReadonlyArray<string>
  /** Those that are needed at every character: a field costs less than a lookup by name. */
  readonly terminals: Readonly<Record<keyof typeof terminalNames, number>>
  /** A terminal by its name: the last of several, which is the one that may follow whitespace. */
  readonly of: (name: string) => number
  /** The parenthesis that must follow a macro's name at once. */
  readonly macroParenthesis: number
  /** The terminal of a keyword or a word like it. */
  readonly keywords: ReadonlyMap<string, number>
  readonly reserved: ReadonlySet<string>
  /** Beginnings of keywords and of literals, whole ones included: no other word is one. */
  readonly words: Longer
  /** Terminals before an argument of a call, and those of types that may be one. */
  readonly beginsArgument: ReadonlySet<number>
  readonly types: ReadonlySet<number>
  readonly punctuation: ReadonlyMap<string, number>
  /** Beginnings of punctuation, whole ones included. */
  readonly marks: Longer
  readonly directives: ReadonlyMap<string, number>
  /** How a completion writes a terminal, and its cost in tenths of a byte: infinite for those that it does not use. */
  readonly text: (terminal: number) => string
  readonly cost: (terminal: number) => number
}

const longerOf = (beginnings: Iterable<string>): Longer => {
  const found = new Map<string, Map<string, string>>()
  for (const beginning of beginnings) {
    const before = beginning.slice(0, -1)
    const longer = found.get(before) ?? new Map<string, string>()
    found.set(before, longer.set(beginning.slice(-1), beginning))
  }
  return found
}

/** Finds the terminals. Throws where the grammar has not all of them, because it is another version. */
export const symbolsOf = ({ names, terminals: count }: ParseTables): Symbols => {
  const byName = new Map(names.slice(0, count).map((name, symbol) => [name, symbol]))
  const of = (name: string): number => {
    const symbol = byName.get(name)
    if (symbol === undefined) throw new Error(`it has no ${name}`)
    return symbol
  }
  const keywords = new Map<string, number>()
  const punctuation = new Map<string, number>()
  for (const [name, symbol] of byName) {
    const grammarsOwn = ["identifier", "preproc_arg", "preproc_directive", "preproc_include_token2"]
    const literals = ["number_literal", "character", "string_content", "escape_sequence", "system_lib_string"]
    if (isPunctuation(name) && !/^["'#]/.test(name)) punctuation.set(name, symbol)
    else if (/^\w+$/.test(name) && words[name] === undefined)
      if (![...grammarsOwn, ...literals, "comment", "end"].includes(name)) keywords.set(name, symbol)
  }
  for (const [name, texts] of Object.entries(words)) for (const text of texts) keywords.set(text, of(name))
  const beginningsOf = (texts: Iterable<string>): ReadonlyArray<string> =>
    [...texts].flatMap((text) => Array.from(text, (_, index) => text.slice(0, index + 1)))
  const wordPrefixes = new Set(beginningsOf([...keywords.keys(), ...literalPrefixes]))
  if (wordPrefixes.has(anyLetter)) throw new Error(`it has a keyword that begins with ${anyLetter}`)
  const text = (symbol: number): string => written[names[symbol]!]?.[0] ?? names[symbol]!
  return {
    names,
    terminals: Record.map(terminalNames, of),
    of,
    macroParenthesis: names.indexOf("("),
    keywords,
    reserved,
    words: longerOf(wordPrefixes),
    beginsArgument: new Set([of("("), of(",")]),
    types: new Set([of("primitive_type"), ...["signed", "unsigned", "long", "short"].map(of)]),
    punctuation,
    marks: longerOf(new Set([...beginningsOf(punctuation.keys()), ".."])),
    directives: new Map(directives.map((name) => [name, of(`#${name}`)])),
    text,
    cost: (symbol) => {
      const name = names[symbol]!
      const known = written[name]
      if (known !== undefined) return known[1]
      return /^(?:[^\w\s#]+|")$/.test(name) ? 10 * name.length : Number.POSITIVE_INFINITY
    }
  }
}
