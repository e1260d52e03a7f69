/**
 * What the grammar of guided generation reads of C: what the judge accepts, piece by piece, and every beginning of it can be ended.
 * TRAINYARD_TEST_CORPUS names a corpus folder of the collect stage, whose top-level items are read instead of those below.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as CorpusReader from "../../../../src/collect/CorpusReader.ts"
import { c } from "../../../../src/languages/c/c.ts"
import { withoutCplusplus } from "../../../../src/languages/c/cplusplus.ts"
import { firstError, grammar } from "../../../../src/languages/c/grammar.ts"
import { openPrefixes } from "../../../../src/languages/c/prefix/prefixes.ts"
import * as Grammar from "../../../../src/languages/Grammar.ts"
import type { Prefix, PrefixReader } from "../../../../src/languages/ViablePrefix.ts"
import { draws } from "../../../../src/model/draws.ts"

const corpus = process.env.TRAINYARD_TEST_CORPUS

const items = [
  "#include <stdio.h>\n",
  '#include "a/b.h" // why\n',
  "#define MAX(a, b) \\\n  ((a) > (b) ? (a) : (b))\n",
  "#define inline __inline\n",
  "#pragma once\n",
  "#ifndef A_H\n#define A_H\n#if defined(X) && !defined (Y)\nint f(void);\n#elif Z > 2\ntypedef int t;\n#else\n#error no\n#endif\n#endif /* A_H */\n",
  "typedef struct list {\n  struct list *next;\n  unsigned flags : 3, rest : 5;\n#ifdef BIG\n  uint64_t size[2];\n#endif\n  union { int a; float b; } u;\n} list_t, *list_p;\n",
  "enum colour { red = 1, green, /* both */ blue = red << 2, };\n",
  'static const char *const names[] = { [0] = "a\\n\\x41", [1] = L"b" "c", NULL };\n',
  "int (*handlers[4])(int, void *) = { 0 };\n",
  "EXPORT_SYMBOL(name);\n",
  "struct s;\n",
  '__attribute__((unused)) static inline void f(T *a, size_t n, ...) { asm volatile("nop" : : "r"(a)); }\n',
  "#if A\nM(a) *b;\nextern M(a) *c;\nint d;\nM(a) e;\n#endif\n",
  "M(a) *b = c, *d;\n",
  "int old(a, b) int a; char *b; { return a; }\n",
  "void g(void) {\n  for (int i = 0; i < n; i++) { if (a[i] == '\\'' || !p->x.y) continue; else break; }\n  do { x <<= 1; } while (x);\n  switch (k) { case 'a': case 0x1fUL: { y(); } default: goto out; }\n  a * b; (T)c; z = (T *)q + sizeof(struct s) - -1.5e-3f;\n  va_arg(ap, int);\n#if X\n  h(1);\n#else\n  h(2);\n#endif\nout:\n  return (struct p){ .x = 1, .y = 2 }, 0;\n}\n"
]

const piece = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Reads a text in pieces of 1 to 6 bytes; undefined where it is refused. */
const readAll = (reader: PrefixReader, bytes: Uint8Array, draw: () => number): Prefix | undefined => {
  let prefix: Prefix | undefined = reader.begin()
  for (let at = 0; at < bytes.length && prefix !== undefined; ) {
    const length = 1 + Math.floor(draw() * 6)
    prefix = prefix.read(bytes.subarray(at, at + length))
    at += length
  }
  return prefix
}

const opened = Effect.gen(function* () {
  const parser = yield* Grammar.open(grammar)
  const accepted = (text: string) => firstError(parser, `${text.trimEnd()}\n`) === null
  const itemsOf = (text: string): ReadonlyArray<string> =>
    Grammar.withTree<ReadonlyArray<string>>(parser, withoutCplusplus(text), [], (root) =>
      root.children.filter(({ type }) => type !== "comment").map((node) => `${node.text.trimEnd()}\n`)
    )
  return { accepted, itemsOf, reader: yield* Grammar.load(grammar, openPrefixes) }
})

describe("C read byte by byte", () => {
  it.live(
    "is what the judge accepts, and every beginning of it can be ended",
    () =>
      Effect.gen(function* () {
        const { accepted, itemsOf, reader } = yield* opened
        const draw = draws("prefixes")
        const texts: Array<string> = []
        if (corpus === undefined) texts.push(...items)
        else {
          const documents = yield* CorpusReader.open(corpus)
          for (let id = 0; id < documents.documents; id++)
            if (c.endings.includes((yield* documents.document(id)).kind))
              texts.push(...itemsOf(yield* documents.text(id)))
        }
        const good = texts.filter(accepted)
        let read = 0
        for (const text of good) {
          const bytes = piece(text)
          if (readAll(reader, bytes, draw)?.complete === true) read++
          for (let cut = 0; cut < bytes.length; cut += corpus === undefined ? 3 : 1 + bytes.length) {
            const beginning = bytes.subarray(0, cut)
            const closing = readAll(reader, beginning, draw)?.closing()
            if (closing === undefined) continue
            const whole = Buffer.concat([beginning, closing]).toString()
            assert.isTrue(accepted(whole), whole)
          }
        }
        if (corpus !== undefined) console.log(`${read} of ${good.length} items are read to their end`)
        if (corpus === undefined) expect([read, good.length]).toEqual([items.length, items.length])
        else expect(read / good.length).toBeGreaterThan(0.98)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    600_000
  )

  it.live("refuses what the judge refuses, where it begins", () =>
    Effect.gen(function* () {
      const { accepted, reader } = yield* opened
      // Reserved words are no names, although the judge reads them so where no keyword may be.
      for (const [viable, refused] of [
        ["int f(a) ", "else b; {}"],
        ["void f()_c (d)(g *h) L a, r;\n", "else M(e, f);"]
      ] as const)
        assert.isFalse(reader.begin().read(piece(viable))?.read(piece(refused)) !== undefined, refused)
      for (const [viable, refused] of [
        ["", "return "],
        ["", "}"],
        ["x ", "= 1;"],
        ["int f(void) { (", "}"],
        ["int f(void) { ", "#endif"],
        ["#if A\nint f(void) { ", "#endif"],
        ['char *s = "a', "\n"],
        ["#include <stdio.h>", " int"],
        ["int x; ", "\u00e9"],
        ["int x = 1", "x"],
        ["T (x)", "[3];"],
        ["x", ";"],
        ["# ", "_a\n"],
        ["int ", `${"x".repeat(300)} y`],
        ["#ifdef __cplusplu", "s"],
        ["#if A\nint x;\nM(a) ", "*b;"],
        ['extern "C" {\nint x;\nM(a) ', "*b = 1;"],
        ["static int f(a)\nint b ", "= 0; m(x);{}"]
      ] as const) {
        const prefix = reader.begin().read(piece(viable))
        assert.isTrue(prefix !== undefined, viable)
        assert.isFalse(prefix?.read(piece(refused)) !== undefined, viable + refused)
        if (!refused.includes("__")) assert.isFalse(accepted(viable + refused), viable + refused)
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("reads tokens that end within a character", () =>
    Effect.gen(function* () {
      const { reader } = yield* opened
      const [first, second] = piece("\u00e9")
      const cut = reader.begin().read(Uint8Array.of(...piece("int x; // "), first!))
      expect(cut?.complete).toBe(false)
      expect(cut?.read(piece("a")) === undefined).toBe(true)
      expect(cut?.read(Uint8Array.of(second!))?.complete).toBe(true)
      expect([...(cut?.closing() ?? [])].slice(0, 1)).toEqual([0x80])
    }).pipe(Effect.scoped)
  )
})
