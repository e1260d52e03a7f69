/** Which names a C text declares, and where blocks and declarations end: what the parser knows as it reads. */
import type { Stack } from "../../lr/Automaton.ts"
import type { ParseTables } from "../../lr/ParseTables.ts"
import { perState } from "../../lr/perState.ts"
import type { DeclarationEvent } from "../../ViablePrefix.ts"
import type { Cursor } from "./Cursor.ts"
import { readBytes } from "./readBytes.ts"
import type { Symbols } from "./symbols.ts"

/** Reads bytes as `readBytes` does, and gives what they declare; undefined where they cannot follow. */
export type ReadDeclarations = (
  cursor: Cursor,
  bytes: Uint8Array
) => ReadonlyArray<DeclarationEvent> | undefined

const nothing: ReadonlyArray<DeclarationEvent> = []

export const declarationsOf = (tables: ParseTables, symbols: Symbols): ReadDeclarations => {
  const leadsTo = (...names: ReadonlyArray<string>) => {
    const nonterminals = names.flatMap((name) => [...tables.nonterminals(name)])
    return perState((state) => nonterminals.some((symbol) => tables.goto(state, symbol) !== 0))
  }
  const wantsDeclarator = leadsTo("array_declarator", "enumerator")
  const wantsMore = leadsTo("declaration", "binary_expression", "type_descriptor")
  const [identifier, parenthesis] = [symbols.of("identifier"), symbols.of("(")]
  const events = new Map<number, DeclarationEvent>([
    [symbols.of("{"), { event: "open" }],
    [symbols.of("}"), { event: "close" }],
    [symbols.of(";"), { event: "end" }]
  ])
  const declares = ({ state }: Stack): boolean => wantsDeclarator(state) && !wantsMore(state)
  /** Whether a word that begins at a cursor is declared there. Where it may be used instead, `f(x` is a call, and `T *x` a declaration. */
  const isDeclared = ({ grammar, line, stacks }: Cursor): boolean => {
    if (line !== "none") return false
    let [all, some, isCalled] = [true, false, false]
    // What comes before is reduced only when a name follows.
    for (const { parent } of grammar.automaton.advance(stacks, identifier)) {
      if (parent === undefined) continue
      if (declares(parent)) some = true
      else all = false
      if (parent.symbol === parenthesis) isCalled = true
    }
    return all || (some && !isCalled)
  }
  let found: Array<DeclarationEvent> = []
  const onTerminal = (terminal: number): void => {
    const event = events.get(terminal)
    if (event !== undefined) found.push(event)
  }
  /** Of a word that begins or ends at a cursor. */
  const onWord = (cursor: Cursor, edge: "begin" | "end", at: number): void => {
    if (edge === "begin") {
      if (isDeclared(cursor)) found.push({ event: "name", at })
    } else found.push({ event: "name-end", at })
  }
  return (cursor, bytes) => {
    if (found.length > 0) found = []
    cursor.onTerminal = onTerminal
    const isRead = readBytes(cursor, bytes, onWord)
    cursor.onTerminal = undefined
    if (!isRead) return undefined
    return found.length === 0 ? nothing : found
  }
}
