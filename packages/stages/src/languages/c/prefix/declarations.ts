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

export const declarationsOf = (tables: ParseTables, symbols: Symbols): ReadDeclarations => {
  const leadsTo = (...names: ReadonlyArray<string>) => {
    const nonterminals = names.flatMap((name) => [...tables.nonterminals(name)])
    return perState((state) => nonterminals.some((symbol) => tables.goto(state, symbol) !== 0))
  }
  const wantsDeclarator = leadsTo("array_declarator", "enumerator")
  const wantsMore = leadsTo("declaration", "binary_expression", "type_descriptor")
  const [identifier, parenthesis] = [symbols.of("identifier"), symbols.of("(")]
  const events = new Map<number, "open" | "close" | "end">([
    [symbols.of("{"), "open"],
    [symbols.of("}"), "close"],
    [symbols.of(";"), "end"]
  ])
  const declares = ({ state }: Stack): boolean => wantsDeclarator(state) && !wantsMore(state)
  /** Whether a word that begins at a cursor is declared there. Where it may be used instead, `f(x` is a call, and `T *x` a declaration. */
  const isDeclared = ({ grammar, line, stacks }: Cursor): boolean => {
    if (line !== "none") return false
    // What comes before is reduced only when a name follows.
    const before = grammar.automaton
      .advance(stacks, identifier)
      .flatMap(({ parent }) => (parent === undefined ? [] : [parent]))
    return (
      before.every(declares) ||
      (before.some(declares) && before.every(({ symbol }) => symbol !== parenthesis))
    )
  }
  return (cursor, bytes) => {
    const found: Array<DeclarationEvent> = []
    let isName = false
    cursor.onTerminal = (terminal) => {
      const event = events.get(terminal)
      if (event !== undefined) found.push({ event })
    }
    const isRead = readBytes(cursor, bytes, (edge, at) => {
      if (edge === "begin") {
        isName = isDeclared(cursor)
        if (isName) found.push({ event: "name", at })
      } else found.push({ event: "name-end", at })
    })
    cursor.onTerminal = undefined
    return isRead ? found : undefined
  }
}
