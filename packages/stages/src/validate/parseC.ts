/**
 * Whether a completion is C, by tree-sitter's C grammar (WebAssembly: nothing is compiled and nothing is run).
 *
 * The text judged is the prompt with its completion. A completion that a token limit broke off is cut at its last complete
 * top-level item (see `topLevel.ts`); one that the model ended itself is judged to its end. Sections for C++ alone are left out, as
 * a C compiler leaves them out. The text parses when the tree holds no ERROR and no MISSING node, holds more than comments, and has
 * no statement outside a function and no #else or #endif without its #if: the grammar takes these so as to highlight fragments,
 * C does not. A macro call in the place of a declaration, `MODULE_LICENSE("MIT");`, is let pass.
 */
import { fileURLToPath } from "node:url"
import { digestFile } from "@trainyard/core/Durable"
import { Effect, Schema } from "effect"
import { Language, type Node, Parser } from "web-tree-sitter"
import type { Prefix } from "./Prefix.ts"
import { prefixesOf } from "./prompts.ts"
import { cutAtLastItem, withoutCplusplus } from "./topLevel.ts"

/** The grammar could not be loaded: the installation is not whole. */
export class GrammarUnavailable extends Schema.TaggedError<GrammarUnavailable>()("GrammarUnavailable", {
  why: Schema.String
}) {
  override get message() {
    return `The C grammar could not be loaded: ${this.why}. Install the dependencies again (npm install).`
  }
}

export const Verdict = Schema.Literals(["parses", "errors", "unfinished"])

/** How a text fared. "unfinished": nothing after the prompt was brought to an end, so there is nothing to judge. */
export interface Parsed {
  readonly verdict: typeof Verdict.Type
  /** What was judged: the text up to the cut, with what closes its open conditionals. Empty when unfinished. */
  readonly judged: string
  /** The first thing wrong, with line and column from 1; null when nothing is. */
  readonly error: string | null
  /** Names that the text uses as types and does not define itself. */
  readonly undefinedTypes: ReadonlyArray<string>
}

export interface Text {
  readonly prompt: string
  readonly completion: string
  /** Whether the model ended the text itself, with the end token. */
  readonly ended: boolean
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

/** The grammar takes a directive that it does not know for a call of one, and these too when no #if is open. */
const branch = /^#\s*(else|elif|elifdef|elifndef|endif)\b/

const keywordTypes = new Set(["char", "double", "float", "int", "void"])

/** Nodes whose children stand outside functions as they do themselves. */
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

/** The grammar's file. Nothing imports it, so the code of the stage does not tell when it changes. */
const grammarFile = Effect.try({
  try: () => fileURLToPath(import.meta.resolve("tree-sitter-c/tree-sitter-c.wasm")),
  catch: (cause) => new GrammarUnavailable({ why: cause instanceof Error ? cause.message : String(cause) })
})

/** SHA-256 of the grammar, hexadecimal. */
export const digestGrammar = Effect.map(Effect.flatMap(grammarFile, digestFile), ({ sha256 }) => sha256)

/** Loads the grammar (about 20 milliseconds); the parser is given back with the scope. */
export const cParser = Effect.gen(function* () {
  const grammar = yield* grammarFile
  const parser = yield* Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        await Parser.init()
        return new Parser().setLanguage(await Language.load(grammar))
      },
      catch: (cause) =>
        new GrammarUnavailable({ why: cause instanceof Error ? cause.message : String(cause) })
    }),
    (parser) => Effect.sync(() => parser.delete())
  )
  return {
    /** Judges a completion. */
    judge: (text: Text): Parsed => parse(parser, text),
    /** The prompts that a document offers. */
    prefixesOf: (text: string): ReadonlyArray<Prefix> => prefixesOf(parser, text)
  }
})

const parse = (parser: Parser, { completion, ended, prompt }: Text): Parsed => {
  const whole = withoutCplusplus(prompt + completion)
  const cut = ended ? { end: whole.length, closing: "" } : cutAtLastItem(whole)
  if (cut.end <= prompt.length) {
    return { verdict: "unfinished", judged: "", error: null, undefinedTypes: [] }
  }
  const judged = `${whole.slice(0, cut.end).trimEnd()}\n${cut.closing}`
  const tree = parser.parse(judged)
  // The parser gives no tree only when it is stopped half-way, which nothing here does.
  if (tree === null) return { verdict: "errors", judged, error: "not parsed", undefinedTypes: [] }
  const error = firstError(tree.rootNode)
  const undefinedTypes = typesNotDefined(tree.rootNode)
  tree.delete()
  return { verdict: error === null ? "parses" : "errors", judged, error, undefinedTypes }
}

const firstError = (root: Node): string | null => {
  if (root.hasError) {
    const broken = findBroken(root)
    if (broken !== null) {
      return broken.isMissing
        ? `${place(broken)}: missing ${broken.type}`
        : `${place(broken)}: not C: ${excerpt(broken)}`
    }
  }
  const stray = root.descendantsOfType("preproc_call").find((call) => branch.test(call.text))
  if (stray !== undefined) return `${place(stray)}: without its #if: ${excerpt(stray)}`
  const statement = statementOutside(root)
  if (statement !== null) return `${place(statement)}: statement outside a function: ${excerpt(statement)}`
  return root.namedChildren.some((child) => child.type !== "comment") ? null : "1:1: nothing but comments"
}

const findBroken = (node: Node): Node | null => {
  if (node.isError || node.isMissing) return node
  for (const child of node.children) {
    if (child.hasError || child.isMissing) {
      const found = findBroken(child)
      if (found !== null) return found
    }
  }
  return null
}

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

const typesNotDefined = (root: Node): ReadonlyArray<string> => {
  const used = new Set<string>()
  const defined = new Set<string>()
  for (const node of root.descendantsOfType("type_identifier")) {
    const holder = node.parent?.type ?? ""
    // The name after struct, union or enum is a tag, which lives apart from the names of types.
    if (/^(struct|union|enum)_specifier$/.test(holder)) continue
    if (isDefinedHere(node)) defined.add(node.text)
    else used.add(node.text)
  }
  // The grammar takes size_t, bool, uint8_t and their like for C's own, but they come from headers.
  for (const node of root.descendantsOfType("primitive_type")) {
    if (!keywordTypes.has(node.text)) used.add(node.text)
  }
  for (const macro of root.descendantsOfType(["preproc_def", "preproc_function_def"])) {
    const name = macro.childForFieldName("name")
    if (name !== null) defined.add(name.text)
  }
  return [...used].filter((name) => !defined.has(name))
}

/** Whether a type's name is what a typedef declares, not what it is made from. */
const isDefinedHere = (node: Node): boolean => {
  for (let child = node, parent = node.parent; parent !== null; child = parent, parent = parent.parent) {
    if (parent.type === "type_definition") {
      return parent.childrenForFieldName("declarator").some((declarator) => declarator.equals(child))
    }
    if (!/_declarator$/.test(parent.type)) return false
  }
  return false
}

const place = (node: Node): string => `${node.startPosition.row + 1}:${node.startPosition.column + 1}`

const excerpt = (node: Node): string => {
  const line = node.text.split("\n", 1)[0]!.trim()
  return JSON.stringify(line.length > 40 ? `${line.slice(0, 40)}...` : line)
}
