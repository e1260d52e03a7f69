/** Cuts a text into lexemes by regular expressions: what the built-in languages need of a lexer. */
import type { Lexeme, LexemeKind } from "./Language.ts"

/** What a language's lexer looks for, in this order, at each place; each pattern is sticky (`y`). */
export interface LexicalRules {
  readonly patterns: ReadonlyArray<readonly [LexemeKind, RegExp]>
  /** A name; it is a keyword where the set has it. */
  readonly word: RegExp
  readonly keywords: ReadonlySet<string>
}

/** The lexemes of a text, without a gap. A character that no rule matches is punctuation. */
export const lexemes = (text: string, { keywords, patterns, word }: LexicalRules): ReadonlyArray<Lexeme> => {
  const found: Array<Lexeme> = []
  const endOf = (pattern: RegExp, at: number): number => {
    pattern.lastIndex = at
    return pattern.test(text) ? pattern.lastIndex : at
  }
  for (let at = 0; at < text.length; ) {
    let kind: LexemeKind = "punctuation"
    let end = at
    for (const [candidate, pattern] of patterns) {
      end = endOf(pattern, at)
      kind = candidate
      if (end > at) break
    }
    if (end === at) {
      end = endOf(word, at)
      kind = end === at ? "punctuation" : keywords.has(text.slice(at, end)) ? "keyword" : "identifier"
    }
    if (end === at) end = at + (text.codePointAt(at)! > 0xffff ? 2 : 1)
    found.push({ kind, end })
    at = end
  }
  return found
}
