/** C: tree-sitter's grammar, gcc's syntax check where there is one. */
import { Effect } from "effect"
import * as Compiler from "../Compiler.ts"
import * as Grammar from "../Grammar.ts"
import * as Language from "../Language.ts"
import { basics } from "./basics.ts"
import { forCompiler, gcc } from "./gcc.ts"
import { firstError, grammar } from "./grammar.ts"
import { itemsWithBodies } from "./items.ts"
import { lastItem } from "./lastItem.ts"
import { cLexemes } from "./lexemes.ts"
import { openPrefixes } from "./prefix/prefixes.ts"
import { undefinedTypes } from "./undefinedTypes.ts"

export const c = Language.make({
  ...basics,
  source: import.meta.url,
  notes: [
    "A text parses when tree-sitter's C grammar finds no error in it, nothing is missing, and there is no statement outside a function and no #endif without its #if. What only C++ reads is left out; conditionals that are still open at the cut are closed.",
    "gcc checks the syntax only, with includes blanked and undeclared types declared; errors that only say that a name is not declared, or what follows from that, do not count. Nothing generated is run."
  ],
  externalDigest: Effect.all({ compiler: Compiler.describe(gcc), grammar: Grammar.digest(grammar) }),
  grammar: Grammar.load(grammar, openPrefixes),
  open: Effect.gen(function* () {
    const parser = yield* Grammar.open(grammar)
    const compiler = yield* Compiler.find(gcc)
    const tools: Language.Tools = {
      lastItem,
      firstError: (text) => firstError(parser, text),
      lexemes: cLexemes,
      items: (document) => itemsWithBodies(parser, document),
      compiler: compiler.available
        ? {
            ...compiler,
            check: (text) =>
              Effect.suspend(() => compiler.check(forCompiler(text, undefinedTypes(parser, text))))
          }
        : compiler
    }
    return tools
  })
})
