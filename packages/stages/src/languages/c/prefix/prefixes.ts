/** C texts as viable prefixes: tree-sitter's tables, C's restrictions, and a lexer that reads byte by byte. */
import { Automaton } from "../../lr/Automaton.ts"
import { Completions } from "../../lr/Completions.ts"
import * as ParseTables from "../../lr/ParseTables.ts"
import type { Prefix, PrefixReader } from "../../ViablePrefix.ts"
import { withoutCplusplus } from "../cplusplus.ts"
import { Cursor, type Grammar, type Mode } from "./Cursor.ts"
import { closingOf, distanceOf, endings, isComplete, isEndable } from "./closing.ts"
import { readBytes } from "./readBytes.ts"
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

/** Whether some end of the lexeme can follow. It depends on what is in the key, and on no more where the line is no directive's. */
const hasEnding = (cursor: Cursor): boolean => {
  const find = () => endings(cursor).next().done !== true
  const { begun, beginning, continuation, line, mode, stacks, text } = cursor
  const [only, another] = stacks
  const isPlain = line === "none" && continuation === 0 && (mode === "mark" || mode === "number")
  if (!isPlain || only === undefined || another !== undefined || beginning.startsWith("#")) return find()
  const key = `${begun} ${mode} ${text}`
  only.lexemes ??= new Map()
  const known = only.lexemes.get(key)
  if (known !== undefined) return known
  const found = find()
  only.lexemes.set(key, found)
  return found
}

/** Whether a text that is read so far can go on. */
const isViable = (cursor: Cursor): boolean => (isDecided(cursor) ? isEndable(cursor) : hasEnding(cursor))

/** Bytes that are read together more than once are no longer: a token's. */
const longestToken = 32

/**
 * Remembers what it was asked. Equal places are one prefix as long as their stacks are one, so that a token is read once for all texts that come
 * to the same place.
 */
class CPrefix implements Prefix {
  private readonly cursor: Cursor
  private readonly after = new Map<Uint8Array, CPrefix | undefined>()
  private isComplete: boolean | undefined
  private bytesToEnd: { readonly bytes: Uint8Array | undefined } | undefined
  private bytesFromEnd: number | undefined

  constructor(cursor: Cursor) {
    this.cursor = cursor
  }

  /** The prefix of a place; undefined where the text cannot go on. */
  static at(cursor: Cursor): CPrefix | undefined {
    const [first, ...others] = cursor.stacks
    if (first === undefined) return undefined
    const key = others.length === 0 ? cursor.key : `${others.map(({ number }) => number)} ${cursor.key}`
    first.places ??= new Map()
    const known = first.places.get(key)
    if (known instanceof CPrefix) return known
    if (known !== undefined) return undefined
    const found = isViable(cursor) ? new CPrefix(cursor) : undefined
    first.places.set(key, found ?? "refused")
    cursor.grammar.automaton.remembered()
    return found
  }

  read(bytes: Uint8Array): Prefix | undefined {
    const known = this.after.get(bytes)
    if (known !== undefined || this.after.has(bytes)) return known
    const cursor = this.cursor.copy()
    const found = readBytes(cursor, bytes) ? CPrefix.at(cursor) : undefined
    if (bytes.length <= longestToken) {
      this.after.set(bytes, found)
      cursor.grammar.automaton.remembered()
    }
    return found
  }

  get complete(): boolean {
    this.isComplete ??= isComplete(this.cursor)
    return this.isComplete
  }

  closing(): Uint8Array | undefined {
    this.bytesToEnd ??= { bytes: closingOf(this.cursor) }
    return this.bytesToEnd.bytes
  }

  distance(): number {
    this.bytesFromEnd ??= distanceOf(this.cursor)
    return this.bytesFromEnd
  }
}

/** Reads the grammar's tables from its module. Throws where they are not those that this reader knows. */
export const openPrefixes = async (file: string): Promise<PrefixReader> => {
  const tables = await ParseTables.read(file)
  const symbols = symbolsOf(tables)
  const automaton = new Automaton(tables, restrictionsOf(tables, symbols))
  const grammar: Grammar = { automaton, completions: new Completions(automaton, symbols.cost), symbols }
  return {
    begin: () => new CPrefix(new Cursor(grammar, [automaton.begin()])),
    prepare: withoutCplusplus
  }
}
