import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { withoutCplusplus } from "../../../src/languages/c/cplusplus.ts"
import { firstError, grammar } from "../../../src/languages/c/grammar.ts"
import { itemsWithBodies } from "../../../src/languages/c/items.ts"
import { lastItem } from "../../../src/languages/c/lastItem.ts"
import { undefinedTypes } from "../../../src/languages/c/undefinedTypes.ts"
import * as Grammar from "../../../src/languages/Grammar.ts"
import { parse } from "../../../src/languages/Language.ts"

/** What is left of a text that was broken off. */
const kept = (text: string) => {
  const { closing, end } = lastItem(text)
  return text.slice(0, end) + (closing === "" ? "" : `|${closing}`)
}

describe("the last complete top-level item of C", () => {
  for (const [what, text, expected] of [
    ["a function that was finished", "int f(void) { return 0; }\nint g(", "int f(void) { return 0; }"],
    ["a declaration", "int a;\nint b", "int a;"],
    ["nothing, when the first item is open", "int main(int a) {\n  f();\n  g", ""],
    ["a struct only with its semicolon", "struct a { int x; };\nstruct b { int y; }", "struct a { int x; };"],
    ["a struct with a variable", "struct a { int x; } y, z;\nint", "struct a { int x; } y, z;"],
    ["an initializer only with its semicolon", "int a[] = { 1, 2 }", ""],
    ["a call in an initializer", "int a = f(1), b[] = { 2 }", ""],
    [
      "a function that returns a struct",
      "struct a *f(struct a *x) { return x; } int",
      "struct a *f(struct a *x) { return x; }"
    ],
    [
      "a function with a trailing macro",
      "int f(void) NOTHROW { return 1; } in",
      "int f(void) NOTHROW { return 1; }"
    ],
    ["directives with their line's end", "#include <a.h>\n#include <b.h>", "#include <a.h>\n"],
    ["continued directives", "#define A \\\n  b\n#define C \\\n d", "#define A \\\n  b\n"],
    ["no directive in the middle of an item", "int a =\n#if X\n 1\n#else\n 2", ""],
    [
      "items in a conditional, closing it",
      "#ifndef A_H\n#define A_H\nint a;\nint b",
      "#ifndef A_H\n#define A_H\nint a;|#endif\n"
    ],
    [
      "branches that each open a brace",
      "#if X\nint f(int a) {\n#else\nint f(void) {\n#endif\n  g();\n}\nint",
      "#if X\nint f(int a) {\n#else\nint f(void) {\n#endif\n  g();\n}"
    ],
    ["items in a linkage block, closing it", 'extern "C" {\nint a;\nint b', 'extern "C" {\nint a;|}\n'],
    [
      "brackets in strings, characters and comments",
      "char *a = \"{;\"; char b = '{'; /* { */ // {\nint c;\nint",
      "char *a = \"{;\"; char b = '{'; /* { */ // {\nint c;"
    ],
    ["what comes before an open comment", "int a;\n/* int b;", "int a;"],
    [
      "the error together with what follows it",
      "int f(void) { g(; }\nint b;\nint",
      "int f(void) { g(; }\nint b;"
    ],
    [
      "a closing brace too many",
      "int f(void) { return 1; } }\nint b;\nint",
      "int f(void) { return 1; } }\nint b;"
    ]
  ] as const) {
    it(`keeps ${what}`, () => {
      expect(kept(text)).toBe(expected)
    })
  }

  it("leaves out what only C++ reads, and keeps every position", () => {
    const text =
      '#ifdef __cplusplus\nextern "C" {\n#endif\nint a;\n#if defined(__cplusplus)\n}\n#else\nint b;\n#endif\n'
    const read = withoutCplusplus(text)
    expect(read.length).toBe(text.length)
    expect(read.split(/\s*\n\s*/).filter((line) => line !== "")).toEqual(["int a;", "int b;"])
  })
})

describe("parsing as C", () => {
  const parsed = (prompt: string, completion: string, ended = false) =>
    Effect.scoped(
      Effect.map(Grammar.open(grammar), (parser) =>
        parse(
          {
            lastItem,
            firstError: (text) => firstError(parser, text),
            items: (document) => itemsWithBodies(parser, document)
          },
          { prompt, completion, ended }
        )
      )
    )

  for (const [prompt, completion, status] of [
    ["int main", "(void)\n{\n  return 0;\n}\nint x", "parses"],
    ["int main", "(void) { return 0 }\n", "errors"],
    ["int main", "(void) { return", "unfinished"],
    ["#include", " <stdio.h>\n#include", "parses"],
    ["#include", " <stdio.h>", "unfinished"],
    ["struct", " a { int b; };\n", "parses"],
    ["void function", "(int a) { f(a); }\n}\nint b;", "errors"],
    ["int a;\n", "if (a) { b(); }", "errors"],
    ["int a;\n", "return 1;\n", "errors"],
    ["int a;\n", "a = 1;\n", "errors"],
    ["#if A\n", "return 1;\n#endif\n", "errors"],
    ["#include", " <a.h>\n#endif\n", "errors"],
    ["#if A\n", "int a;\n#else\nint b;\n#endif\nint c", "parses"],
    ["MODULE", '_LICENSE("MIT");\n', "parses"],
    ['#ifdef __cplusplus\nextern "C" {\n#endif\n', "int a(void);\nint", "parses"],
    ["#ifndef A\n#define A\n", "typedef struct { foo_t b; } a_t;\na_t *", "parses"],
    ["", "", "unfinished"]
  ] as const) {
    it.effect(`finds that ${JSON.stringify(prompt + completion)} ${status}`, () =>
      Effect.gen(function* () {
        const { error, status: found } = yield* parsed(prompt, completion)
        expect(found).toBe(status)
        expect(error === null).toBe(status !== "errors")
      })
    )
  }

  it.effect("parses a text that the model ended to its very end", () =>
    Effect.gen(function* () {
      expect((yield* parsed("int a", ";\nint b", true)).status).toBe("errors")
      expect((yield* parsed("int a", ";\nint b;\n", true)).status).toBe("parses")
      expect((yield* parsed("/* a", " */\n", true)).error).toContain("nothing but comments")
    })
  )

  it.effect("names the first error's line and column", () =>
    Effect.gen(function* () {
      const { error } = yield* parsed("int a;\n", "int f(void) {\n  return 0\n}\n")
      expect(error).toMatch(/^3:\d+: missing ;$/)
    })
  )

  it.effect("lists the types that the text uses and does not define", () =>
    Effect.gen(function* () {
      const parser = yield* Grammar.open(grammar)
      const text =
        "typedef struct a { foo_t b; } a_t;\ntypedef int (*call_t)(a_t *, size_t);\ncall_t f(struct x *p) { bar_t *q = (bar_t *)p; return q; }\n"
      expect(undefinedTypes(parser, text).toSorted()).toEqual(["bar_t", "foo_t", "size_t"])
    }).pipe(Effect.scoped)
  )
})
