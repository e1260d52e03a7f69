/** The lexemes of Python 3 (language reference, chapter 2). Soft keywords such as `match` count as names. */
import type { Lexeme } from "../Language.ts"
import { type LexicalRules, lexemes } from "../lexemes.ts"

const keywords =
  "False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield"

const rules = (): LexicalRules => ({
  patterns: [
    ["whitespace", /(?:\s|\\\r?\n)+/y],
    ["comment", /#[^\n]*/y],
    [
      "literal",
      /(?:[bfrtu]|br|fr|rb|rf|rt|tr)?(?:"""(?:\\[\s\S]|[^\\])*?(?:"""|$)|'''(?:\\[\s\S]|[^\\])*?(?:'''|$)|"(?:\\[\s\S]|[^"\\\n])*"?|'(?:\\[\s\S]|[^'\\\n])*'?)/iy
    ],
    ["literal", /\.?\d(?:[eE][+-]\d|[\w.])*/y]
  ],
  word: /[\p{L}_][\p{L}\p{N}_]*/uy,
  keywords: new Set(keywords.split(" "))
})

export const pythonLexemes = (text: string): ReadonlyArray<Lexeme> => lexemes(text, rules())
