/** The lexemes of C (C23, section 6.4, with its preprocessing directives). */
import type { Lexeme } from "../Language.ts"
import { type LexicalRules, lexemes } from "../lexemes.ts"

const keywords =
  "alignas alignof auto bool break case char const constexpr continue default do double else enum extern false float for goto if inline int long nullptr register restrict return short signed sizeof static static_assert struct switch thread_local true typedef typeof typeof_unqual union unsigned void volatile while _Alignas _Alignof _Atomic _BitInt _Bool _Complex _Decimal128 _Decimal32 _Decimal64 _Generic _Imaginary _Noreturn _Static_assert _Thread_local"

const rules = (): LexicalRules => ({
  patterns: [
    ["whitespace", /(?:\s|\\\r?\n)+/y],
    ["comment", /\/\/(?:\\\r?\n|[^\n])*|\/\*[\s\S]*?(?:\*\/|$)/y],
    [
      "keyword",
      /#[ \t]*(?:define|elif|elifdef|elifndef|else|embed|endif|error|if|ifdef|ifndef|include|line|pragma|undef|warning)\b/y
    ],
    ["literal", /(?<=#[ \t]*include[ \t]*)<[^>\n]*>?/y],
    ["literal", /(?:u8|[uUL])?(?:"(?:\\[\s\S]|[^"\\\n])*"?|'(?:\\[\s\S]|[^'\\\n])*'?)/y],
    ["literal", /\.?\d(?:[eEpP][+-]|[\w.]|'\w)*/y]
  ],
  word: /[\p{L}_$][\p{L}\p{N}_$]*/uy,
  keywords: new Set(keywords.split(" "))
})

export const cLexemes = (text: string): ReadonlyArray<Lexeme> => lexemes(text, rules())
