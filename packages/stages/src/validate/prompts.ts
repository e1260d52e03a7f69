/**
 * Prompts from the documents of the judged split: the heads of functions and structures, up to and including the brace that opens their body,
 * so that what completes them can be judged as C by itself.
 */
import type { Node, Parser } from "web-tree-sitter"
import type { Prefix } from "./Prefix.ts"
import { withoutCplusplus } from "./topLevel.ts"

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

/** The prompts that a document offers, in its order. Items with errors in them offer none. */
export const prefixesOf = (parser: Parser, text: string): ReadonlyArray<Prefix> => {
  const tree = parser.parse(withoutCplusplus(text))
  if (tree === null) return []
  const prefixes = itemsOf(tree.rootNode).flatMap((item) => {
    const body = item.hasError ? null : bodyOf(item)
    return body === null
      ? []
      : [
          {
            prompt: text.slice(item.startIndex, body.startIndex + 1),
            rest: text.slice(body.startIndex + 1),
            item: text.slice(body.startIndex + 1, item.endIndex)
          }
        ]
  })
  tree.delete()
  return prefixes
}
