/**
 * Whether a text is C, by tree-sitter's C grammar.
 *
 * A text parses when its tree has no ERROR and no MISSING node, has more than comments, and has no statement outside a function and no
 * #else or #endif without its #if: the grammar accepts these so that editors can highlight fragments, C does not. A macro call in the
 * place of a declaration, `MODULE_LICENSE("MIT");`, is accepted. Sections for C++ alone are left out, as a C compiler leaves them out.
 */
import type { Node, Parser } from "web-tree-sitter"
import { excerpt, type Grammar, nothingButComments, place, syntaxError, withTree } from "../Grammar.ts"
import { withoutCplusplus } from "./cplusplus.ts"

export const grammar: Grammar = {
  title: "C",
  url: () => import.meta.resolve("tree-sitter-c/tree-sitter-c.wasm")
}

const statements = new Set([
  "attributed_statement",
  "break_statement",
  "case_statement",
  "compound_statement",
  "continue_statement",
  "do_statement",
  "for_statement",
  "goto_statement",
  "if_statement",
  "labeled_statement",
  "return_statement",
  "switch_statement",
  "while_statement"
])

/** The grammar reads an unknown directive as a `preproc_call`, and so it reads these when no #if is open. */
const branch = /^#\s*(else|elif|elifdef|elifndef|endif)\b/

/** Nodes whose children are outside functions if they are. */
const transparent = new Set([
  "translation_unit",
  "preproc_if",
  "preproc_ifdef",
  "preproc_else",
  "preproc_elif",
  "preproc_elifdef",
  "linkage_specification",
  "declaration_list"
])

/** The first error of a text; null when it is C. */
export const firstError = (parser: Parser, text: string): string | null =>
  withTree(parser, withoutCplusplus(text), "1:1: not parsed", (root) => {
    const broken = syntaxError(root, "C")
    if (broken !== null) return broken
    const branchAlone = root.descendantsOfType("preproc_call").find((call) => branch.test(call.text))
    if (branchAlone !== undefined) return `${place(branchAlone)}: without its #if: ${excerpt(branchAlone)}`
    const statement = statementOutside(root)
    return statement === null
      ? nothingButComments(root)
      : `${place(statement)}: statement outside a function: ${excerpt(statement)}`
  })

const statementOutside = (node: Node): Node | null => {
  for (const child of node.namedChildren) {
    if (statements.has(child.type)) return child
    if (child.type === "expression_statement") {
      const expression = child.namedChildren.find((each) => each.type !== "comment")
      if (expression !== undefined && expression.type !== "call_expression") return child
    }
    if (transparent.has(child.type)) {
      const found = statementOutside(child)
      if (found !== null) return found
    }
  }
  return null
}
