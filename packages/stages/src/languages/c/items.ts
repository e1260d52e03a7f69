/**
 * The functions and structures of a C document, whose heads are prompts. A head ends with the brace that opens the body, so that its
 * completion can be parsed by itself.
 */
import type { Node, Parser } from "web-tree-sitter"
import { withTree } from "../Grammar.ts"
import type { Item } from "../Language.ts"
import { withoutCplusplus } from "./cplusplus.ts"

const holders = new Set([
  "translation_unit",
  "preproc_if",
  "preproc_ifdef",
  "preproc_else",
  "preproc_elif",
  "linkage_specification",
  "declaration_list"
])

/** The body of an item that has one: a function's, or a structure's. */
const bodyOf = (item: Node): Node | null => {
  if (item.type === "function_definition") return item.childForFieldName("body")
  if (item.type !== "declaration" && item.type !== "type_definition" && item.type !== "struct_specifier")
    return null
  const specifier = item.type === "struct_specifier" ? item : item.childForFieldName("type")
  return specifier?.type === "struct_specifier" ? specifier.childForFieldName("body") : null
}

const itemsOf = (node: Node): ReadonlyArray<Node> =>
  node.namedChildren.flatMap((child) => (holders.has(child.type) ? itemsOf(child) : [child]))

/** In the document's order. Items with errors in them are left out. */
export const itemsWithBodies = (parser: Parser, document: string): ReadonlyArray<Item> =>
  withTree<ReadonlyArray<Item>>(parser, withoutCplusplus(document), [], (root) =>
    itemsOf(root).flatMap((item) => {
      const body = item.hasError ? null : bodyOf(item)
      return body === null ? [] : [{ start: item.startIndex, body: body.startIndex + 1, end: item.endIndex }]
    })
  )
