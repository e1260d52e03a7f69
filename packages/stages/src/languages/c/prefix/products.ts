/**
 * Items that the grammar reads in two ways: `a *b;` is a declaration or, within an `#if` or an `extern "C"` block, the product of two names,
 * which is no C there. The judge prefers the declaration, but not where it has a name in parentheses, as in `a *(b);` or `a *f(b (*c));`: the
 * grammar gives such declarators a dynamic precedence of -10. So the product is read, too, and marked where the judge prefers it.
 */
import type { Allowed, Stack } from "../../lr/Automaton.ts"
import type { ParseTables } from "../../lr/ParseTables.ts"
import { perState } from "../../lr/perState.ts"
import type { Symbols } from "./symbols.ts"

interface Products {
  readonly calls: ReadonlySet<number>
  /** What may go on with a stack whose last entry is the whole item so far; undefined where that is another's question. */
  readonly goesOn: (stack: Stack, terminal: number, state: number) => Allowed | undefined
  /** Whether an expression other than a call may end as an item: "drop" where it is read as a declaration. */
  readonly ends: (stack: Stack) => Allowed
  /** See `Restrictions.marks`. */
  readonly marks: (stack: Stack, terminal: number) => boolean
}

export const productsOf = (
  tables: ParseTables,
  symbols: Symbols,
  beginsItem: (state: number) => boolean
): Products => {
  const { terminals } = tables
  const calls = tables.nonterminals("call_expression")
  /** What `a * b` and `a * b, c` are, read as expressions. */
  const binaries = new Set([
    ...tables.nonterminals("binary_expression"),
    ...tables.nonterminals("comma_expression")
  ])
  const [equals, star, comma, semicolon, parenthesis, bracket] = ["=", "*", ",", ";", "(", "["].map(
    symbols.of
  )
  const notCalled = new Set([star, comma])
  const keywords = new Set(symbols.keywords.values())
  const ifs = new Set(["#if", "#ifdef", "#ifndef"].map(symbols.of))
  const laterBranches = new Set(["#else", "#elif", "#elifdef", "#elifndef"].map(symbols.of))
  const number = symbols.of("number_literal")
  const readsNumber = perState((state) => tables.actions(state, number).length > 0)
  /** Whether an item that begins on this stack is within an `#if` or an `extern "C"` block. */
  const isWithin = (stack: Stack): boolean => {
    let below: Stack | undefined = stack
    while (below !== undefined && below.symbol >= terminals) below = below.parent
    return below?.parent !== undefined
  }
  /** Whether an item is in an `#else` or the like. */
  const isInLaterBranch = (stack: Stack): boolean => {
    let at: Stack | undefined = stack
    while (at !== undefined && !ifs.has(at.symbol) && !laterBranches.has(at.symbol)) at = at.parent
    return at !== undefined && laterBranches.has(at.symbol)
  }
  /** Whether this is `M(a)` where the judge reads `M(a) * b;` as a product: there, but not as the first item of an `#if`. */
  const followsItem = ({ parent, symbol }: Stack): boolean =>
    calls.has(symbol) &&
    parent !== undefined &&
    ((parent.symbol >= terminals && isWithin(parent)) || isInLaterBranch(parent))
  /** What the stack holds of the item that it is in, from its beginning. */
  const entriesOfItem = (stack: Stack): ReadonlyArray<Stack> => {
    const entries: Array<Stack> = []
    for (let at: Stack | undefined = stack; at !== undefined && !beginsItem(at.state); at = at.parent)
      entries.unshift(at)
    return entries
  }
  /** Whether these read a product, or a list that begins with one; not within brackets or after `=`, which mean the same in a declaration. */
  const readsProduct = (entries: ReadonlyArray<Stack>): boolean => {
    if (entries.some(({ symbol }) => symbol === bracket || symbol === equals)) return false
    const [first, second] = entries
    if (first === undefined || second === undefined || !readsNumber(second.state)) return false
    return second.symbol === star || (second.symbol === comma && binaries.has(first.symbol))
  }
  return {
    calls,
    goesOn: (stack, terminal, state) => {
      if (terminal === star && readsNumber(state)) {
        if (followsItem(stack)) return "refuse"
        return stack.parent !== undefined && isWithin(stack.parent) ? "yes" : "drop"
      }
      return terminal === star || (terminal === comma && binaries.has(stack.symbol)) ? "yes" : undefined
    },
    ends: ({ marked, symbol }) => (binaries.has(symbol) && !marked ? "drop" : "refuse"),
    marks: (stack, terminal) => {
      if (stack.hidden || stack.marked) return stack.marked && (stack.hidden || terminal !== semicolon)
      // A keyword that is read as a name, as the judge reads `const` in `a *const (b);`.
      const afterKeyword = keywords.has(stack.symbol)
      const afterParenthesis = stack.symbol === parenthesis
      if (!(terminal === parenthesis || (terminal === star && afterParenthesis))) return false
      const entries = entriesOfItem(stack)
      // Within parameters, `a *(b)` has no name in parentheses, but parameters of its own.
      const outermost = notCalled.has(stack.symbol) && !entries.some(({ symbol }) => symbol === parenthesis)
      return (afterParenthesis || afterKeyword || outermost) && readsProduct(entries)
    }
  }
}
