/** C texts as viable prefixes: tree-sitter's tables, C's restrictions, and a lexer that reads byte by byte. */
import { Automaton, type Stack } from "../../lr/Automaton.ts"
import { Completions } from "../../lr/Completions.ts"
import * as ParseTables from "../../lr/ParseTables.ts"
import { type SmallMap, withEntry } from "../../lr/SmallMap.ts"
import type { DeclarationEvent, Prefix, PrefixReader } from "../../ViablePrefix.ts"
import { withoutCplusplus } from "../cplusplus.ts"
import { Cursor, type Grammar, type Mode, rememberedOf } from "./Cursor.ts"
import { closingOf, distanceOf, endings, isComplete, isEndable } from "./closing.ts"
import { declarationsOf, type ReadDeclarations } from "./declarations.ts"
import { restrictionsOf } from "./restrictions.ts"
import { symbolsOf } from "./symbols.ts"

/** Lexemes that can always end, and what follows them was decided where they began. A line comment is none within a directive, which it ends. */
const selfContained = new Set<Mode>([
  "block-comment",
  "string",
  "string-escape",
  "character",
  "character-escape",
  "argument",
  "library"
])

/** Whether it is certain without a trial that the text can go on: between lexemes, and in a word that may become a name. */
const isDecided = (cursor: Cursor): boolean =>
  (cursor.mode === "between" && !cursor.carriageReturn) ||
  selfContained.has(cursor.mode) ||
  (cursor.mode === "line-comment" && cursor.line === "none") ||
  (cursor.mode === "word" &&
    cursor.may(cursor.grammar.symbols.of("identifier")) &&
    !cursor.stacks.some(({ marked }) => marked))

/** Whether some end of the lexeme can follow. Where the line is no directive's, it depends on the lexeme alone. */
const hasEnding = (cursor: Cursor): boolean => {
  const { begun, beginning, continuation, line, mode, text } = cursor
  const isPlain = line === "none" && continuation === 0 && (mode === "mark" || mode === "number")
  const key = isPlain && !beginning.startsWith("#") ? `${begun} ${mode} ${text}` : cursor.key
  return rememberedOf(cursor, key, () => endings(cursor).next().done !== true)
}

/**
 * Places that were read, by the first of their stacks, then by what tells them from others: each is one object, however texts came to it. So what
 * follows a place is read once, for all texts that come there.
 */
type Known = WeakMap<Stack, SmallMap<string, CPrefix>>

/** Where bytes lead, and what they declare. */
interface Read {
  readonly next: CPrefix | undefined
  readonly declarations: ReadonlyArray<DeclarationEvent>
}

interface Reader {
  readonly known: Known
  readonly read: ReadDeclarations
}

class CPrefix implements Prefix {
  private readonly cursor: Cursor
  private readonly reader: Reader
  /** What bytes lead to, by the array that they came in: a tokenizer's tokens are the same arrays each time. */
  private after: SmallMap<Uint8Array, Read> | undefined
  private isComplete: boolean | undefined
  private estimate: number | undefined

  private constructor(cursor: Cursor, reader: Reader) {
    this.cursor = cursor
    this.reader = reader
  }

  static at(cursor: Cursor, reader: Reader): CPrefix {
    const [first, ...others] = cursor.stacks
    if (first === undefined) return new CPrefix(cursor, reader)
    const key = `${others.map(({ number }) => number)} ${cursor.key}`
    const found = reader.known.get(first)?.get(key)
    if (found !== undefined) return found
    const made = new CPrefix(cursor, reader)
    reader.known.set(first, withEntry(reader.known.get(first), key, made))
    cursor.grammar.automaton.remembered()
    return made
  }

  read(bytes: Uint8Array): Prefix | undefined {
    return this.follow(bytes).next
  }

  declarations(bytes: Uint8Array): ReadonlyArray<DeclarationEvent> {
    return this.follow(bytes).declarations
  }

  private follow(bytes: Uint8Array): Read {
    let found = this.after?.get(bytes)
    if (found === undefined) {
      found = this.followNew(bytes)
      this.after = withEntry(this.after, bytes, found)
      this.cursor.grammar.automaton.remembered()
    }
    return found
  }

  private followNew(bytes: Uint8Array): Read {
    const cursor = this.cursor.copy()
    const declarations = this.reader.read(cursor, bytes)
    if (declarations === undefined) return nowhere
    const isViable = isDecided(cursor) ? isEndable(cursor) : hasEnding(cursor)
    return isViable ? { next: CPrefix.at(cursor, this.reader), declarations } : nowhere
  }

  get complete(): boolean {
    this.isComplete ??= isComplete(this.cursor)
    return this.isComplete
  }

  closing(): Uint8Array | undefined {
    return closingOf(this.cursor)
  }

  distance(): number {
    this.estimate ??= distanceOf(this.cursor)
    return this.estimate
  }
}

const nowhere: Read = { next: undefined, declarations: [] }

/** Reads the grammar's tables from its module. Throws where they are not those that this reader knows. */
export const openPrefixes = async (file: string): Promise<PrefixReader> => {
  const tables = await ParseTables.read(file)
  const symbols = symbolsOf(tables)
  const automaton = new Automaton(tables, restrictionsOf(tables, symbols))
  const grammar: Grammar = { automaton, completions: new Completions(automaton, symbols.cost), symbols }
  const reader: Reader = { known: new WeakMap(), read: declarationsOf(tables, symbols) }
  return {
    begin: () => CPrefix.at(new Cursor(grammar, [automaton.begin()]), reader),
    prepare: withoutCplusplus
  }
}
