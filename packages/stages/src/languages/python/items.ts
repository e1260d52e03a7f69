/** The functions and classes of a Python document, whose heads, up to and including the colon, are prompts. */
import type { Node, Parser } from "web-tree-sitter"
import { withTree } from "../Grammar.ts"
import type { Item } from "../Language.ts"

const definitionOf = (item: Node): Node | null =>
  item.type === "decorated_definition" ? item.childForFieldName("definition") : item

/** In the document's order. Items with errors in them are left out. */
export const definitions = (parser: Parser, document: string): ReadonlyArray<Item> =>
  withTree<ReadonlyArray<Item>>(parser, document, [], (root) =>
    root.namedChildren.flatMap((item) => {
      const definition = item.hasError ? null : definitionOf(item)
      if (definition === null || !/^(function|class)_definition$/.test(definition.type)) return []
      const colon = definition.children.findLast((child) => child.type === ":")
      return colon === undefined ? [] : [{ start: item.startIndex, body: colon.endIndex, end: item.endIndex }]
    })
  )
