/** How much of a document its grammar reads, for the built-in languages. */
import { Effect } from "effect"
import type { Node } from "web-tree-sitter"
import { basics as cBasics } from "./c/basics.ts"
import { withoutCplusplus } from "./c/cplusplus.ts"
import { grammar as cGrammar } from "./c/grammar.ts"
import * as Grammar from "./Grammar.ts"
import { basics as pythonBasics } from "./python/basics.ts"
import { grammar as pythonGrammar } from "./python/grammar.ts"

interface Parsed {
  readonly endings: ReadonlyArray<string>
  readonly grammar: Grammar.Grammar
  readonly prepare: (text: string) => string
}

const languages: ReadonlyArray<Parsed> = [
  { endings: cBasics.endings, grammar: cGrammar, prepare: withoutCplusplus },
  { endings: pythonBasics.endings, grammar: pythonGrammar, prepare: (text) => text }
]

/** Digests of the grammars' files, by name. */
export const digests = Effect.all({ c: Grammar.digest(cGrammar), python: Grammar.digest(pythonGrammar) })

/** Characters within ERROR nodes. Where the whole tree is one, its children that are none were read all the same. */
const broken = (node: Node): number => {
  if (!node.hasError) return 0
  if (node.isError && node.parent !== null) return node.endIndex - node.startIndex
  return node.children.reduce((sum, child) => sum + broken(child), 0)
}

/**
 * Opens the grammars. Gives the share of a text's characters that are in no ERROR node, from 0 to 1; undefined for an ending of no built-in
 * language. The parsers are released with the scope.
 */
export const open = Effect.gen(function* () {
  const opened = yield* Effect.forEach(languages, (language) =>
    Effect.map(Grammar.open(language.grammar), (parser) => ({ ...language, parser }))
  )
  return (ending: string, text: string): number | undefined => {
    const language = opened.find(({ endings }) => endings.includes(ending))
    if (language === undefined || text.length === 0) return undefined
    return Grammar.withTree(
      language.parser,
      language.prepare(text),
      0,
      (root) => 1 - broken(root) / text.length
    )
  }
})
