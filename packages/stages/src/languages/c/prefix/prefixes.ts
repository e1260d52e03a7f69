/** C texts as viable prefixes: tree-sitter's tables, C's restrictions, and a lexer that reads byte by byte. */
import { Automaton } from "../../lr/Automaton.ts"
import { Completions } from "../../lr/Completions.ts"
import * as ParseTables from "../../lr/ParseTables.ts"
import type { DeclarationEvent, Prefix, PrefixReader } from "../../ViablePrefix.ts"
import { withoutCplusplus } from "../cplusplus.ts"
import { Cursor, type Grammar, type Mode, rememberedOf } from "./Cursor.ts"
import { canEnd, closingOf, distanceOf, isComplete, isEndable } from "./closing.ts"
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
    cursor.may(cursor.grammar.symbols.terminals.identifier) &&
    !cursor.stacks.some(({ marked }) => marked))

/** Whether some end of the lexeme can follow. Where the line is no directive's, it depends on the lexeme alone. */
const hasEnding = (cursor: Cursor): boolean => {
  const { begun, beginning, continuation, line, mode, text } = cursor
  const isPlain = line === "none" && continuation === 0 && (mode === "mark" || mode === "number")
  const key = isPlain && !beginning.startsWith("#") ? `${begun} ${mode} ${text}` : cursor.key
  return rememberedOf(cursor, key, () => canEnd(cursor)) === true
}

class CPrefix implements Prefix {
  readonly declared: ReadonlyArray<DeclarationEvent>
  private readonly cursor: Cursor
  private readonly readDeclarations: ReadDeclarations

  constructor(cursor: Cursor, readDeclarations: ReadDeclarations, declared: CPrefix["declared"] = []) {
    this.cursor = cursor
    this.readDeclarations = readDeclarations
    this.declared = declared
  }

  read(bytes: Uint8Array): Prefix | undefined {
    const cursor = this.cursor.copy()
    const declared = this.readDeclarations(cursor, bytes)
    if (declared === undefined) return undefined
    const isViable = isDecided(cursor) ? isEndable(cursor) : hasEnding(cursor)
    return isViable ? new CPrefix(cursor, this.readDeclarations, declared) : undefined
  }

  get complete(): boolean {
    return isComplete(this.cursor)
  }

  closing(): Uint8Array | undefined {
    return closingOf(this.cursor)
  }

  distance(): number {
    return distanceOf(this.cursor)
  }
}

/** Reads the grammar's tables from its module. Throws where they are not those that this reader knows. */
export const openPrefixes = async (file: string): Promise<PrefixReader> => {
  const tables = await ParseTables.read(file)
  const symbols = symbolsOf(tables)
  const automaton = new Automaton(tables, restrictionsOf(tables, symbols))
  const completions = new Completions(automaton, symbols.cost)
  const grammar: Grammar = { automaton, completions, symbols, endings: new Map() }
  const readDeclarations = declarationsOf(tables, symbols)
  return {
    begin: () => new CPrefix(new Cursor(grammar, [automaton.begin()]), readDeclarations),
    prepare: withoutCplusplus
  }
}
