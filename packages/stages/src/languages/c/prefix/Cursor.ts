/** Where a reader of C text is: the stacks of its parser, the lexeme that it is in, and the line. */
import type { Automaton, Remembered, Stack } from "../../lr/Automaton.ts"
import type { Completions } from "../../lr/Completions.ts"
import { withEntry } from "../../lr/SmallMap.ts"
import type { Symbols } from "./symbols.ts"

/** The C grammar, ready to read with. */
export interface Grammar {
  readonly automaton: Automaton
  readonly completions: Completions
  readonly symbols: Symbols
  /** Texts, as bytes, that may end a word or a mark, by its text: worked out once for each. */
  readonly endings: Map<string, ReadonlyArray<Uint8Array>>
}

/** The lexeme that is being read; "between" lexemes. */
export type Mode =
  | "between"
  | "splice"
  | "word"
  | "number"
  | "mark"
  | "line-comment"
  | "block-comment"
  | "string"
  | "string-escape"
  | "character"
  | "character-escape"
  | "library"
  | "directive"
  | "argument"

/**
 * What a line of a directive still needs: "open": the line's end is a terminal; "name": a name; "end": nothing but its end; "none": it is no
 * directive's line.
 */
export type Line = "none" | "open" | "name" | "end"

/** Changes as it reads; `copy` keeps a place. */
export class Cursor {
  readonly grammar: Grammar
  stacks: ReadonlyArray<Stack>
  mode: Mode = "between"
  /** The lexeme so far, or what its mode remembers of it. */
  text = ""
  line: Line = "none"
  /** Whether nothing but whitespace stands before, in the line. */
  lineStart = true
  /** Whether whitespace was skipped just before. */
  spaced = false
  /** Whether a carriage return awaits its line feed. */
  carriageReturn = false
  /** Least and largest value of the next byte of a character that is not whole, and how many more it needs. */
  least = 0x80
  most = 0xbf
  continuation = 0
  /** Whether more than comments was read. */
  begun = false
  /** The beginning of the line, where that may be a directive. */
  beginning = ""
  /** Hears of terminals that are read; not copied. */
  onTerminal: ((terminal: number) => void) | undefined

  constructor(grammar: Grammar, stacks: ReadonlyArray<Stack>) {
    this.grammar = grammar
    this.stacks = stacks
  }

  copy(): Cursor {
    const copy = new Cursor(this.grammar, this.stacks)
    copy.mode = this.mode
    copy.text = this.text
    copy.line = this.line
    copy.lineStart = this.lineStart
    copy.spaced = this.spaced
    copy.carriageReturn = this.carriageReturn
    copy.least = this.least
    copy.most = this.most
    copy.continuation = this.continuation
    copy.begun = this.begun
    copy.beginning = this.beginning
    return copy
  }

  /** What tells this place from others with the same stacks. */
  get key(): string {
    const { begun, carriageReturn, continuation, least, lineStart, most, spaced } = this
    const flags =
      (begun ? 1 : 0) + (carriageReturn ? 2 : 0) + (lineStart ? 4 : 0) + (spaced ? 8 : 0) + 16 * continuation
    const within = continuation > 0 ? `${least} ${most} ` : ""
    return `${flags} ${within}${this.mode} ${this.line} ${this.text}\n${this.beginning}`
  }

  /** Whether a terminal may follow. */
  may(terminal: number): boolean {
    return this.grammar.automaton.advance(this.stacks, terminal).length > 0
  }

  /** Reads a terminal. Gives false, and changes nothing, where it may not follow. */
  feed(terminal: number): boolean {
    const isRead = this.goOn(this.grammar.automaton.advance(this.stacks, terminal))
    if (isRead) this.onTerminal?.(terminal)
    return isRead
  }

  /** Reads a word as what it is for each stack: a keyword, or a name where the keyword means nothing. */
  feedWord(word: string): boolean {
    return this.goOn(this.afterWord(word))
  }

  private goOn(after: ReadonlyArray<Stack>): boolean {
    if (after.length === 0) return false
    this.stacks = after
    this.begun = true
    this.spaced = false
    this.lineStart = false
    return true
  }

  afterWord(word: string): ReadonlyArray<Stack> {
    const { automaton, symbols } = this.grammar
    const { identifier, star } = symbols.terminals
    const keyword = symbols.keywords.get(word)
    if (keyword === undefined) return automaton.advance(this.stacks, identifier)
    // A macro may have any name, and a macro's call any word as its argument.
    const inArguments = this.stacks.every(({ symbol }) => symbols.beginsArgument.has(symbol))
    const isReserved =
      this.line === "none" && symbols.reserved.has(word) && !(inArguments && symbols.types.has(keyword))
    const asKeyword = this.stacks.filter((stack) => automaton.reads(stack, keyword))
    const after = asKeyword.length > 0 ? automaton.advance(asKeyword, keyword) : []
    // The judge reads a reserved word as a name where no keyword may be: `const` of `a *const (b)`, as a product. That is no C, but decides what
    // the judge takes for C, so it is read beside the keyword.
    const mayBeName = (stack: Stack): boolean =>
      !isReserved || (after.length > 0 && stack.symbol === star && !stack.hidden)
    const asName = this.stacks.filter((stack) => !automaton.reads(stack, keyword) && mayBeName(stack))
    if (asName.length === 0) return after
    const names = automaton.advance(asName, identifier, after.length > 0 ? keyword : identifier)
    return [...new Set([...after, ...names])]
  }

  /** Reads a comment's place: stacks that cannot have one there end. */
  feedComment(): boolean {
    const after = this.grammar.automaton.advance(this.stacks, this.grammar.symbols.terminals.comment)
    if (after.length === 0) return false
    this.stacks = after
    this.spaced = false
    this.lineStart = false
    return true
  }

  to(mode: Mode, text = ""): true {
    this.mode = mode
    this.text = text
    return true
  }
}

/** What is found of a place and does not change: the first of its stacks remembers it by the others and a key. */
export const rememberedOf = (
  { grammar, stacks }: Cursor,
  key: string,
  find: () => Remembered
): Remembered => {
  const first = stacks[0]
  if (first === undefined) return find()
  let whole = key
  for (let other = 1; other < stacks.length; other++) whole = `${stacks[other]!.number} ${whole}`
  const known = first.found?.get(whole)
  if (known !== undefined) return known
  const found = find()
  first.found = withEntry(first.found, whole, found)
  grammar.automaton.remembered()
  return found
}
