/**
 * What C forbids and tree-sitter's grammar does not: statements outside functions. The judge refuses them, see `firstError`; here they are
 * refused where they begin. And a case that is no item of a block, which the grammar cannot always end.
 */
import type { Allowed, Restrictions, Stack } from "../../lr/Automaton.ts"
import type { ParseTables } from "../../lr/ParseTables.ts"
import { perState } from "../../lr/perState.ts"
import { productsOf } from "./products.ts"
import type { Symbols } from "./symbols.ts"

const statementKeywords = [
  ..."if else switch case default while do for return break continue goto".split(" "),
  ..."__try __except __finally __leave".split(" ")
]

/** What begins an expression that no macro's call does. */
const startsNoItem = [
  ..."( ! ~ - + * & ++ -- ' L' u' U' u8' \" L\" u\" U\" u8\" number_literal true false NULL nullptr".split(
    " "
  ),
  ..."sizeof offsetof _Generic asm __asm__ __asm __alignof__ __alignof _alignof alignof _Alignof".split(" ")
]

/** What makes more of an expression than a call. */
const expressionGoesOn = [
  ..."= *= /= %= += -= <<= >>= &= ^= |= ? , . -> [ ++ -- + - * / % || && | ^ & == != > >= <= < << >>".split(
    " "
  )
]

export const restrictionsOf = (tables: ParseTables, symbols: Symbols): Restrictions => {
  const { names, terminals } = tables
  const statement = new Set(statementKeywords.map(symbols.of))
  const [brace, closingBrace, colon, semicolon, attribute] = ["{", "}", ":", ";", "[["].map(symbols.of)
  const [include, ret] = [symbols.of("#include"), symbols.of("return")]
  const declarationLists = tables.nonterminals("declaration_list")
  const cases = new Set([symbols.of("case"), symbols.of("default")])
  const equals = symbols.of("=")
  const oldDeclarations = names.indexOf("_old_style_function_definition_repeat1")
  const identifier = symbols.of("identifier")
  const noItem = new Set(startsNoItem.map(symbols.of))
  const operators = new Set(expressionGoesOn.map(symbols.of))
  const quote = symbols.of('"')
  const expressionStatements = new Set([
    ...tables.nonterminals("expression_statement"),
    ...tables.nonterminals("_top_level_expression_statement")
  ])
  const reduces = (state: number, test: (symbol: number, count: number) => boolean): boolean => {
    for (let terminal = 0; terminal < terminals; terminal++)
      for (const action of tables.actions(state, terminal))
        if (action.type === "reduce" && test(action.symbol, action.count)) return true
    return false
  }
  const beginsItem = perState((state) => tables.actions(state, include).length > 0)
  const products = productsOf(tables, symbols, beginsItem)
  const beginsStatement = perState((state) => tables.actions(state, ret).length > 0)
  const endsExpressionStatement = perState((state) =>
    reduces(state, (symbol, count) => count === 2 && expressionStatements.has(symbol))
  )
  /** Whether this state follows the brace of `extern "C" {`, which hides nothing. */
  const opensDeclarations = perState((state) =>
    tables
      .actions(state, closingBrace!)
      .some(
        (action) => action.type === "shift" && reduces(action.state, (symbol) => declarationLists.has(symbol))
      )
  )
  /** Where declarations of an old function's parameters may begin. */
  const declaresOldParameters = perState((state) => tables.goto(state, oldDeclarations) !== 0)
  /** Whether this stack is within such declarations, outside braces. They have no initial values, and the judge may read them otherwise. */
  const isOldParameter = (stack: Stack): boolean => {
    for (let at: Stack | undefined = stack; at !== undefined && !beginsItem(at.state); at = at.parent)
      if (declaresOldParameters(at.state)) return true
    return false
  }
  /** What may not go on with a stack whose last entry is the whole item so far: an expression would become more than a call. */
  const goesOn = (stack: Stack, terminal: number, state: number): Allowed => {
    const asProduct = products.goesOn(stack, terminal, state)
    if (asProduct !== undefined) return asProduct
    if (terminal === quote) return stack.symbol === identifier ? "refuse" : "yes"
    return operators.has(terminal) ? "refuse" : "yes"
  }
  return {
    marks: products.marks,
    transparent: names.indexOf("expression", terminals),
    hides: (terminal, state) => terminal === brace && !opensDeclarations(state),
    allows: (stack, terminal, state) => {
      // As the body of a loop, a case goes on into the loop's end.
      if (cases.has(terminal) && !beginsItem(stack.state)) return "drop"
      if (stack.hidden) return "yes"
      if (statement.has(terminal)) return "drop"
      if (beginsItem(stack.state))
        return terminal === brace || terminal === attribute || noItem.has(terminal) ? "drop" : "yes"
      if (terminal === equals && isOldParameter(stack)) return "drop"
      if (terminal === colon && beginsStatement(state)) return "drop"
      if (terminal === semicolon && endsExpressionStatement(state) && !products.calls.has(stack.symbol))
        return products.ends(stack)
      return stack.parent !== undefined && beginsItem(stack.parent.state)
        ? goesOn(stack, terminal, state)
        : "yes"
    }
  }
}
