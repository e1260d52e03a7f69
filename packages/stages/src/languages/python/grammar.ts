/**
 * Whether a text is Python 3, by tree-sitter's Python grammar.
 *
 * A text parses when its tree has no ERROR and no MISSING node, has more than comments, and none of what the grammar accepts so that
 * editors can highlight unfinished or old code: Python 2's statements, blocks without a statement, `try` without `except` or `finally`,
 * lines of one block with different indentation, `return` and `yield` outside a function, `break` and `continue` outside a loop.
 */
import type { Node, Parser } from "web-tree-sitter"
import { excerpt, type Grammar, nothingButComments, place, syntaxError, withTree } from "../Grammar.ts"

export const grammar: Grammar = {
  title: "Python",
  url: () => import.meta.resolve("tree-sitter-python/tree-sitter-python.wasm")
}

/** Whether an ancestor is of one of these types, before any that ends the search. */
const isWithin = (node: Node, types: ReadonlyArray<string>, ends: ReadonlyArray<string>): boolean => {
  for (let above = node.parent; above !== null; above = above.parent) {
    if (types.includes(above.type)) return true
    if (ends.includes(above.type)) return false
  }
  return false
}

const loops = ["for_statement", "while_statement"]
const scopes = ["function_definition", "class_definition"]

const statementsOf = (block: Node): ReadonlyArray<Node> =>
  block.namedChildren.filter((child) => child.type !== "comment")

/** The first statement of a block that does not begin its line where the others do. */
const misplaced = (block: Node): Node | undefined => {
  const statements = statementsOf(block)
  const column = block.type === "module" ? 0 : statements[0]?.startPosition.column
  return statements.find((statement, index) => {
    const before = statements[index - 1]
    const sharesLine = before !== undefined && before.endPosition.row === statement.startPosition.row
    return !sharesLine && statement.startPosition.column !== column
  })
}

/** What is wrong with a node that the grammar accepts and Python does not; undefined when nothing is. */
const problemOf = (node: Node): string | undefined => {
  switch (node.type) {
    case "print_statement":
    case "exec_statement":
      return "a statement of Python 2"
    case "block":
      return statementsOf(node).length === 0 ? "a block without a statement" : undefined
    case "try_statement":
      return node.namedChildren.some(({ type }) => /^(except|finally)/.test(type))
        ? undefined
        : "try without except or finally"
    case "return_statement":
    case "yield":
      return isWithin(node, ["function_definition", "lambda"], ["class_definition"])
        ? undefined
        : "outside a function"
    case "break_statement":
    case "continue_statement":
      return isWithin(node, loops, scopes) ? undefined : "outside a loop"
    default:
      return undefined
  }
}

const questionable = [
  "print_statement",
  "exec_statement",
  "block",
  "try_statement",
  "return_statement",
  "yield",
  "break_statement",
  "continue_statement"
]

/** The first error of a text; null when it is Python. */
export const firstError = (parser: Parser, text: string): string | null =>
  withTree(parser, text, "1:1: not parsed", (root) => {
    const broken = syntaxError(root, "Python")
    if (broken !== null) return broken
    for (const node of root.descendantsOfType(questionable)) {
      const problem = node.isNamed ? problemOf(node) : undefined
      // An empty block has no text of its own.
      if (problem !== undefined)
        return node.text === ""
          ? `${place(node)}: ${problem}`
          : `${place(node)}: ${problem}: ${excerpt(node)}`
    }
    for (const block of [root, ...root.descendantsOfType("block")]) {
      const statement = misplaced(block)
      if (statement !== undefined) return `${place(statement)}: unexpected indentation: ${excerpt(statement)}`
    }
    return nothingButComments(root)
  })
