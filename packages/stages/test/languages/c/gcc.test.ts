import { NodeServices } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as Compiler from "../../../src/languages/Compiler.ts"
import { c } from "../../../src/languages/c/c.ts"
import { firstCountedError, forCompiler, gcc } from "../../../src/languages/c/gcc.ts"

describe("what gcc is given", () => {
  it("has no include left, however it is spelled", () => {
    const text = [
      "#include <stdio.h>",
      '  #  include "a.h"',
      "%:include <b.h>",
      "/* c */ #include <c.h>",
      "/* d",
      " */#/* */include <d.h>",
      "#inc\\",
      "lude <e.h>",
      "#include_next <f.h>",
      "int include;",
      ""
    ].join("\n")
    const given = forCompiler(text, [])
    expect(given.match(/\binclude.*/g)).toEqual(["include;"])
  })
})

describe("gcc's errors", () => {
  it("count unless they are about a name that the text does not declare", () => {
    const output = [
      "<stdin>: In function 'f':",
      "<stdin>:1:2: error: 'a' undeclared (first use in this function)",
      "<stdin>:1:2: note: each undeclared identifier is reported only once for each function it appears in",
      "<stdin>:1:9: error: request for member 'next' in something not a structure or union",
      "<stdin>:4:1: error: expected ';' before '}' token"
    ]
    expect(firstCountedError(output.slice(0, 4).join("\n"))).toBeNull()
    expect(firstCountedError(output.join("\n"))).toBe("4:1: expected ';' before '}' token")
  })
})

it.layer(NodeServices.layer)("gcc", (it) => {
  it.effect("is reported as absent, with what to do, when it is not on the path", () =>
    Effect.gen(function* () {
      const compiler = yield* Compiler.find(gcc, "/nowhere")
      expect(compiler).toEqual({ available: false, why: expect.stringContaining("install gcc") })
    })
  )

  it.effect("is reported as absent when it knows its version and cannot compile", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped({ prefix: "trainyard-gcc-" })
      const script = '#!/bin/sh\n[ "$1" = --version ] && echo "gcc 9" && exit 0\necho "no cc1" >&2\nexit 1\n'
      yield* fs.writeFileString(`${directory}/gcc`, script)
      yield* fs.chmod(`${directory}/gcc`, 0o755)
      expect(yield* Compiler.describe(gcc, directory)).toBe("none")
      const compiler = yield* Compiler.find(gcc, directory)
      expect(compiler).toEqual({ available: false, why: expect.stringContaining("cannot compile: no cc1") })
      // Only installing what is missing changes this, and then the version may be the same.
      yield* fs.writeFileString(`${directory}/gcc`, script.replace("exit 1", "exit 0"))
      expect(yield* Compiler.describe(gcc, directory)).toBe("gcc 9")
    })
  )

  for (const [what, text, passes] of [
    ["lets undeclared functions, variables and macros pass", "int f(void) { g(A, b); return c->d; }\n", true],
    ["lets undeclared types pass", "foo_t *f(bar_t *a) { foo_t *b = (foo_t *)a; return b->next; }\n", true],
    ["lets included names pass", "#include <x.h>\nuint32_t f(size_t n) { return sizeof(x_t) * n; }\n", true],
    [
      "lets variable arguments pass",
      "int f(const char *s, ...) { va_list a; va_start(a, s); return va_arg(a, int); }\n",
      true
    ],
    ["lets unknown structures pass", "static const struct ops o = { .open = f, .size = N };\n", true],
    ["refuses a missing semicolon", "int f(void) { return 1 }\n", false],
    ["refuses what the grammar accepts: break outside a loop", "int f(void) { break; }\n", false],
    ["refuses a second definition", "int f(void) { return 1; }\nint f(void) { return 1; }\n", false],
    ["refuses a statement outside a function", "return 1;\n", false],
    ["refuses a stray #endif", "int a;\n#endif\n", false],
    ["stops at a text much longer than it reads", `#error no\nint f( {${"x".repeat(2_000_000)}`, false]
  ] as const) {
    it.effect(what, ({ skip }) =>
      Effect.gen(function* () {
        const { compiler } = yield* c.open
        if (!compiler?.available) return skip(compiler?.why)
        const { error, passes: passed } = yield* compiler.check(text)
        expect({ error, passed }).toEqual({ error: passes ? null : expect.any(String), passed: passes })
      })
    )
  }
})
