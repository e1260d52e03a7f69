/** Python 3: tree-sitter's grammar, the compiler of `python3` where there is one. */
import { Effect } from "effect"
import * as Compiler from "../Compiler.ts"
import * as Grammar from "../Grammar.ts"
import * as Language from "../Language.ts"
import { basics } from "./basics.ts"
import { python3 } from "./compile.ts"
import { firstError, grammar } from "./grammar.ts"
import { definitions } from "./items.ts"
import { lastItem } from "./lastItem.ts"
import { pythonLexemes } from "./lexemes.ts"

export const python = Language.make({
  ...basics,
  source: import.meta.url,
  notes: [
    "A text parses when tree-sitter's Python grammar finds no error in it, no statement of Python 2, no block without a statement, no uneven indentation, and no return, yield, break or continue in a wrong place.",
    "python3 compiles the text, isolated and without site packages, and does not run it."
  ],
  externalDigest: Effect.all({ compiler: Compiler.describe(python3), grammar: Grammar.digest(grammar) }),
  open: Effect.gen(function* () {
    const parser = yield* Grammar.open(grammar)
    const tools: Language.Tools = {
      lastItem,
      firstError: (text) => firstError(parser, text),
      lexemes: pythonLexemes,
      items: (document) => definitions(parser, document),
      compiler: yield* Compiler.find(python3)
    }
    return tools
  })
})
