import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { cLexemes } from "../../src/languages/c/lexemes.ts"
import type { Lexeme } from "../../src/languages/Language.ts"
import { pythonLexemes } from "../../src/languages/python/lexemes.ts"

const shown = (text: string, lexemes: ReadonlyArray<Lexeme>) =>
  lexemes
    .map(({ end, kind }, index) => [kind, text.slice(lexemes[index - 1]?.end ?? 0, end)] as const)
    .filter(([kind]) => kind !== "whitespace")
    .map(([kind, element]) => `${kind[0]}:${element}`)

describe("lexemes of C", () => {
  it("tell keywords, names, literals, comments and punctuation apart", () => {
    const text = '#include <a/b.h>\nif (x->y1 != 0x1fULL) /* "c" */ puts(u8"a\\"b"); // end\\\nstill'
    expect(shown(text, cLexemes(text))).toEqual([
      "k:#include",
      "l:<a/b.h>",
      "k:if",
      "p:(",
      "i:x",
      "p:-",
      "p:>",
      "i:y1",
      "p:!",
      "p:=",
      "l:0x1fULL",
      "p:)",
      'c:/* "c" */',
      "i:puts",
      "p:(",
      'l:u8"a\\"b"',
      "p:)",
      "p:;",
      "c:// end\\\nstill"
    ])
  })

  it("end with the text where a comment or a literal is open, and a character is a literal", () => {
    expect(shown("'a' /* b", cLexemes("'a' /* b"))).toEqual(["l:'a'", "c:/* b"])
    expect(shown('"a\nb', cLexemes('"a\nb'))).toEqual(['l:"a', "i:b"])
  })
})

describe("lexemes of Python", () => {
  it("tell keywords, names, literals, comments and punctuation apart", () => {
    const text = 'def f(x): # no\n  """a\n"b" """\n  return rb\'c\' + x.y * 1e-3'
    expect(shown(text, pythonLexemes(text))).toEqual([
      "k:def",
      "i:f",
      "p:(",
      "i:x",
      "p:)",
      "p::",
      "c:# no",
      'l:"""a\n"b" """',
      "k:return",
      "l:rb'c'",
      "p:+",
      "i:x",
      "p:.",
      "i:y",
      "p:*",
      "l:1e-3"
    ])
  })
})

describe("lexemes of any text", () => {
  for (const [name, lexemes] of [
    ["C", cLexemes],
    ["Python", pythonLexemes]
  ] as const) {
    it(`of ${name} leave no gap and end with the text`, () => {
      fc.assert(
        fc.property(fc.string({ unit: "grapheme" }), (text) => {
          let at = 0
          for (const { end } of lexemes(text)) {
            expect(end).toBeGreaterThan(at)
            at = end
          }
          expect(at).toBe(text.length)
        })
      )
    })
  }
})
