/** The types that a C text uses and does not define. */
import type { Node, Parser } from "web-tree-sitter"
import { withTree } from "../Grammar.ts"
import { withoutCplusplus } from "./cplusplus.ts"

const keywordTypes = new Set(["char", "double", "float", "int", "void"])

/** Names that the text uses as types and does not define itself. */
export const undefinedTypes = (parser: Parser, text: string): ReadonlyArray<string> =>
  withTree<ReadonlyArray<string>>(parser, withoutCplusplus(text), [], typesNotDefined)

const typesNotDefined = (root: Node): ReadonlyArray<string> => {
  const used = new Set<string>()
  const defined = new Set<string>()
  for (const node of root.descendantsOfType("type_identifier")) {
    const holder = node.parent?.type ?? ""
    // The name after struct, union or enum is a tag, which is not in the name space of types.
    if (/^(struct|union|enum)_specifier$/.test(holder)) continue
    if (isDefinedHere(node)) defined.add(node.text)
    else used.add(node.text)
  }
  // The grammar treats size_t, bool, uint8_t and the like as primitive types, but they come from headers.
  for (const node of root.descendantsOfType("primitive_type")) {
    if (!keywordTypes.has(node.text)) used.add(node.text)
  }
  for (const macro of root.descendantsOfType(["preproc_def", "preproc_function_def"])) {
    const name = macro.childForFieldName("name")
    if (name !== null) defined.add(name.text)
  }
  return [...used].filter((name) => !defined.has(name))
}

/** Whether a type's name is what a typedef declares, not the type that it is declared as. */
const isDefinedHere = (node: Node): boolean => {
  for (let child = node, parent = node.parent; parent !== null; child = parent, parent = parent.parent) {
    if (parent.type === "type_definition") {
      return parent.childrenForFieldName("declarator").some((declarator) => declarator.equals(child))
    }
    if (!/_declarator$/.test(parent.type)) return false
  }
  return false
}
