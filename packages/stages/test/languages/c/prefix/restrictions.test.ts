/** Where the grammar reads a text in two ways, the judge prefers one of them: what is read to its end here, the judge takes for C, too. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { firstError, grammar } from "../../../../src/languages/c/grammar.ts"
import { openPrefixes } from "../../../../src/languages/c/prefix/prefixes.ts"
import * as Grammar from "../../../../src/languages/Grammar.ts"
import { draws } from "../../../../src/model/draws.ts"

const opened = Effect.gen(function* () {
  const parser = yield* Grammar.open(grammar)
  const reader = yield* Grammar.load(grammar, openPrefixes)
  const encoder = new TextEncoder()
  return {
    accepted: (text: string) => firstError(parser, text) === null,
    read: (text: string) => reader.begin().read(encoder.encode(text))
  }
})

/** Places of an item: text before and after it. */
const places = [
  ["", "\n"],
  ["#if A\n", "\n#endif\n"],
  ["#if A\nint a;\n", "\n#else\nint b;\n#endif\n"],
  ["#ifdef A\nint a;\n#else\n", "\n#endif\n"],
  ["#ifdef A\nint a;\n#elif B\n", "\n#endif\n"],
  ['extern "C" {\n', "\n}\n"]
] as const

/** Random items, most of which are C: declarations with pointers, names in parentheses, parameters and initial values. */
const itemsOf = (draw: () => number) => {
  const pick = <A>(choices: ReadonlyArray<A>): A => choices[Math.floor(draw() * choices.length)]!
  const oneOf = (choices: ReadonlyArray<() => string>): string => pick(choices)()
  const type = () =>
    pick(["T", "T", "T", "v", "int", "const T", "struct s", "M(a)", "static T", "T const", "enum e"])
  const expression = (depth: number): string => {
    if (depth < 0) return pick(["x", "1", "N"])
    const part = () => expression(depth - 1)
    return oneOf([
      () => "x",
      () => `(${part()})`,
      () => `*${part()}`,
      () => `f(${part()})`,
      () => `${part()} * ${part()}`,
      () => `(T *)${part()}`,
      () => `x ? ${part()} : *y`,
      () => `a[${part()}]`,
      () => `x = ${part()}`
    ])
  }
  const declarator = (depth: number, names: ReadonlyArray<string>): string => {
    if (depth < 0) return pick(names)
    const part = () => declarator(depth - 1, names)
    const qualifier = () => pick(["const", "volatile", "restrict", "__restrict", "_Nonnull"])
    return oneOf([
      () => pick(names),
      () => `*${part()}`,
      () => `* ${qualifier()} ${part()}`,
      () => `(${part()})`,
      () => `(${part()})`,
      () => `${part()}(${parameters(depth - 1)})`,
      () => `${part()}[${expression(depth - 1)}]`
    ])
  }
  const parameters = (depth: number): string =>
    Array.from({ length: Math.floor(draw() * 3) }, () => `${type()} ${declarator(depth, ["", "g"])}`).join(
      ", "
    )
  const names = ["f", "g"]
  const value = () => (draw() < 0.3 ? ` = ${expression(2)}` : "")
  return () =>
    oneOf([
      () => `${type()} ${declarator(3, names)}${value()}, ${declarator(3, names)}${value()};`,
      () => `${type()} ${declarator(3, names)}${value()};`,
      () => `T *${declarator(3, names)};`,
      () => `T *${declarator(3, names)};`,
      () => `${type()} ${declarator(2, names)} { return ${expression(1)}; }`,
      () => `M(${expression(1)});`
    ])
}

describe("C where the grammar reads it in two ways", () => {
  it.live("is read to its end only as the judge takes it", () =>
    Effect.gen(function* () {
      const { accepted, read } = yield* opened
      for (const [text, isC] of [
        ["T *(f);", false],
        ["T *((f)(v[5] (char)));", false],
        ["T *f(v (*g)(int));", false],
        ["T *const (f);", false],
        ["T *f, *(g);", false],
        ["T *f(int x, v (*g)(int));", true],
        ["T *(*f)(int x);", true],
        ["T *const *f;", true],
        ["T *f(v *(g)), **h;", true],
        ["T *f[(1)], *g = (x);", true]
      ] as const) {
        const whole = `#if A\n${text}\n#endif\n`
        expect([text, accepted(whole), read(whole)?.complete === true]).toEqual([text, isC, isC])
        expect([text, accepted(`${text}\n`), read(`${text}\n`)?.complete]).toEqual([text, true, true])
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("and so is every beginning of it, with its closing", () =>
    Effect.gen(function* () {
      const { accepted, read } = yield* opened
      const draw = draws("restrictions")
      const item = itemsOf(draw)
      let whole = 0
      for (let trial = 0; trial < 2_000; trial++) {
        const [before, after] = places[Math.floor(draw() * places.length)]!
        const text = before + item() + after
        if (read(text)?.complete === true) {
          assert.isTrue(accepted(text), text)
          whole++
        }
        const beginning = text.slice(0, draw() * text.length)
        const prefix = read(beginning)
        if (prefix === undefined) continue
        const closing = prefix.closing()
        assert.isTrue(closing !== undefined, beginning)
        const closed = beginning + new TextDecoder().decode(closing)
        assert.isTrue(accepted(`${closed.trimEnd()}\n`), closed)
      }
      expect(whole).toBeGreaterThan(1_000)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
