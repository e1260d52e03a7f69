import { NodeServices } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as Compiler from "../../../src/languages/Compiler.ts"
import * as Grammar from "../../../src/languages/Grammar.ts"
import { parse } from "../../../src/languages/Language.ts"
import { errorIn, python3 } from "../../../src/languages/python/compile.ts"
import { firstError, grammar } from "../../../src/languages/python/grammar.ts"
import { definitions } from "../../../src/languages/python/items.ts"
import { lastItem } from "../../../src/languages/python/lastItem.ts"
import { python } from "../../../src/languages/python/python.ts"

describe("the last complete top-level item of Python", () => {
  for (const [what, text, expected] of [
    ["a simple statement with its line's end", "a = 1\nb = 2", "a = 1\n"],
    ["a function when another line follows", "def f():\n  return 1\nx", "def f():\n  return 1\n"],
    ["no function that could go on", "def f():\n  return 1\n", ""],
    ["no function whose next line is cut off", "def f():\n  return 1\n  y", ""],
    [
      "blank lines and comments within a block",
      "def f():\n\n# c\n  return 1\nx",
      "def f():\n\n# c\n  return 1\n"
    ],
    ["if with its else", "if a:\n  b\nelse:\n  c\nx", "if a:\n  b\nelse:\n  c\n"],
    ["no if that may still get an else", "if a:\n  b\nel", ""],
    ["no if whose else has no colon yet", "if a:\n  b\nelse", ""],
    [
      "an if before a name that begins like else",
      "if a:\n  b\nelsewhere = 1\n",
      "if a:\n  b\nelsewhere = 1\n"
    ],
    [
      "try with except and finally",
      "try:\n  a\nexcept B:\n  c\nfinally:\n  d\nx",
      "try:\n  a\nexcept B:\n  c\nfinally:\n  d\n"
    ],
    ["a decorated function whole", "@a\n@b(1)\ndef f(): \n  pass\nx", "@a\n@b(1)\ndef f(): \n  pass\n"],
    ["no decorator alone", "a = 1\n@b\n", "a = 1\n"],
    ["brackets over lines", "a = [\n1,\n2\n]\nb", "a = [\n1,\n2\n]\n"],
    ["no open bracket", "a = 1\nb = [\n1,\n2\n", "a = 1\n"],
    ["strings over lines", 'a = """\ndef f():\n"""\nb', 'a = """\ndef f():\n"""\n'],
    ["no open string", 'a = 1\nb = """\nc = 1\n', "a = 1\n"],
    ["brackets, quotes and hashes in strings and comments", "a = '([{#' # ([{'\nb", "a = '([{#' # ([{'\n"],
    ["continued lines", "a = 1 + \\\n2\nb", "a = 1 + \\\n2\n"],
    ["a block on the line of its head", "if a: b\nclass C: pass\nx", "if a: b\nclass C: pass\n"],
    [
      "a lambda's and a dictionary's colon apart from a block's",
      "a = lambda: 1\nb = {1: 2}\nc",
      "a = lambda: 1\nb = {1: 2}\n"
    ],
    [
      "lines with carriage returns",
      "def f():\r\n  return 1\r\nx = 1\r\n",
      "def f():\r\n  return 1\r\nx = 1\r\n"
    ]
  ] as const) {
    it(`keeps ${what}`, () => {
      const { closing, end } = lastItem(text)
      expect(text.slice(0, end)).toBe(expected)
      expect(closing).toBe("")
    })
  }
})

describe("parsing as Python", () => {
  const parsed = (prompt: string, completion: string, ended = false) =>
    Effect.scoped(
      Effect.map(Grammar.open(grammar), (parser) =>
        parse(
          { lastItem, firstError: (text) => firstError(parser, text), items: () => [] },
          { prompt, completion, ended }
        )
      )
    )

  for (const [prompt, completion, status] of [
    ["def f", "(a):\n    return a\n\nx", "parses"],
    ["def f", "(a):\n    return a\n", "unfinished"],
    ["def f", "(a:\n    return a\n\nx = 1\n", "unfinished"],
    ["def f", "(a) return a\nx = 1\n", "errors"],
    ["import", " os\nimport", "parses"],
    ["import", " os\nprint 'a'\n", "errors"],
    ["", "def f():\nx = 1\n", "errors"],
    ["", "if a:\n  b\n    c\nx = 1\n", "errors"],
    ["", "if a:\n    b\n  c\nx = 1\n", "errors"],
    ["", "try:\n  a\nx = 1\n", "errors"],
    ["", "return 1\n", "errors"],
    ["", "class A:\n  return 1\nx = 1\n", "errors"],
    ["", "break\n", "errors"],
    ["", "for a in b:\n  if a: break\nelse: pass\nx = 1\n", "parses"],
    [
      "",
      "@a\nasync def f(b: int = 1, *c, **d) -> int:\n  '''e'''\n  yield [x async for x in y]\nx",
      "parses"
    ],
    ["", "x = 1; y = 2\nz: int\n", "parses"],
    ["", "match a:\n  case [1, *_]: b\n  case _:\n    c\nx", "parses"]
  ] as const) {
    it.effect(`finds that ${JSON.stringify(prompt + completion)} ${status}`, () =>
      Effect.gen(function* () {
        const { error, status: found } = yield* parsed(prompt, completion)
        expect({ found, error }).toEqual({
          found: status,
          error: status === "errors" ? expect.any(String) : null
        })
      })
    )
  }

  it.effect("names the first error's line and column", () =>
    Effect.gen(function* () {
      expect((yield* parsed("", "a = 1\nprint 'b'\n")).error).toBe(
        "2:1: a statement of Python 2: \"print 'b'\""
      )
      expect((yield* parsed("#", " a\n", true)).error).toContain("nothing but comments")
    })
  )

  it.effect("takes the heads of functions and classes as prompts", () =>
    Effect.gen(function* () {
      const parser = yield* Grammar.open(grammar)
      const text =
        "import a\n@b\ndef f(x: int = 1) -> int:\n  return x\nclass C(D):\n  def g(self): ...\ndef broken(:\n  x\n"
      const found = definitions(parser, text)
      expect(found.map(({ body, start }) => text.slice(start, body))).toEqual([
        "@b\ndef f(x: int = 1) -> int:",
        "class C(D):"
      ])
      expect(text.slice(found[0]!.body, found[0]!.end)).toBe("\n  return x")
    }).pipe(Effect.scoped)
  )
})

it.layer(NodeServices.layer)("python3", (it) => {
  it("reports its own errors alone", () => {
    expect(errorIn("3:7: invalid syntax\n")).toBe("3:7: invalid syntax")
    expect(errorIn("Fatal Python error: init_import_site\n")).toBeNull()
  })

  it.effect("is reported as absent, with what to do, when it is not on the path", () =>
    Effect.gen(function* () {
      const compiler = yield* Compiler.find(python3, "/nowhere")
      expect(compiler).toEqual({ available: false, why: expect.stringContaining("install python3") })
    })
  )

  for (const [what, text, passes] of [
    ["accepts undefined names", "def f(a: Foo) -> Bar:\n  return baz(a)\n", true],
    ["accepts imports of what is not installed", "import nowhere_to_be_found\n", true],
    ["refuses a missing colon", "def f()\n  pass\n", false],
    ["refuses what the grammar accepts: a parameter twice", "def f(a, a): pass\n", false],
    ["refuses a block that is too deep", `${"(".repeat(1000)}${")".repeat(1000)}\n`, false],
    ["refuses a NUL character", "a = '\0'\n", false]
  ] as const) {
    it.effect(what, ({ skip }) =>
      Effect.gen(function* () {
        const { compiler } = yield* python.open
        if (!compiler?.available) return skip(compiler?.why)
        const { error, passes: passed } = yield* compiler.check(text)
        expect({ error, passed }).toEqual({
          error: passes ? null : expect.stringMatching(/^\d+:\d+: /),
          passed: passes
        })
      })
    )
  }

  it.effect("compiles a text and does not run it", ({ skip }) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* fs.makeTempDirectoryScoped()}/written`
      const { compiler } = yield* python.open
      if (!compiler?.available) return skip(compiler?.why)
      expect(yield* compiler.check(`open(${JSON.stringify(file)}, "w").close()\n`)).toMatchObject({
        passes: true
      })
      expect(yield* fs.exists(file)).toBe(false)
    })
  )
})
