/** Guided completions of C: whatever a model says, the judge finds no error in them, and they end within their limit. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import type { TextGenerator } from "../../src/generate/Batch.ts"
import type { Codec } from "../../src/generate/decoding.ts"
import { closingText, type Guidance, Guide, guidance } from "../../src/generate/Guide.ts"
import { History } from "../../src/generate/History.ts"
import { type Part, type SampleOptions, samples } from "../../src/generate/Samples.ts"
import { c } from "../../src/languages/c/c.ts"
import { python } from "../../src/languages/python/python.ts"
import { draws } from "../../src/model/draws.ts"
import { Ports } from "../../src/model/Ports.ts"

const words =
  ' int| char|int |struct |void |return |if (|for (|while (|switch (|case | default:| else |do {|break;|goto |static |const |typedef |enum |union |#include <|#include "|#define |#if |#ifdef |#ifndef |#else\n|#endif\n|#pragma |*/|/*|//|\\\n|);\n|);|) {\n|{\n|}\n|};\n|;\n| = |==|->|, |(*|++|"%d\\n"|\'\\0\'|0x|1.5e|sizeof(|x|foo|bar_t|  |\n\n|é|"a|[i]|? |: |extern "C" {|__attribute__((|asm(|L"|__cplusplus'.split(
    "|"
  )

/** 256 bytes, the words, and the end of a document. */
const tokenBytes = [
  ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
  ...words.map((word) => new TextEncoder().encode(word)),
  undefined
]
const endToken = tokenBytes.length - 1

const decode = (ids: ReadonlyArray<number>) =>
  new TextDecoder().decode(Uint8Array.from(ids.flatMap((id) => [...(tokenBytes[id] ?? [])])))

const codec: Codec<never> = {
  encode: (text) => Effect.succeed([...new TextEncoder().encode(text)]),
  decode: (ids) => Effect.succeed(decode(ids)),
  tokenBytes
}

/** A model that says anything, words more often than bytes, and each text in its own way. */
const untrained = (seed: number): TextGenerator => {
  let position = 0
  return {
    sequenceLength: 4096,
    program: {
      run: () =>
        Effect.sync(() => {
          const draw = draws(seed, "logits", position++)
          const logits = Float32Array.from(tokenBytes, (bytes) => 4 * draw() + (bytes?.length === 1 ? 0 : 2))
          return { [Ports.logits]: logits }
        })
    }
  }
}

const prompts = [
  ...c.prompts,
  "",
  "#if",
  "/* ",
  "typedef enum {",
  'char *s = "',
  "int f(void) {\n  switch (x) {\n  case",
  "#ifdef A\nint f(void) {\n  do",
  "struct point { int x",
  "call(",
  "#define A(b"
]

const written = Effect.fnUntraced(function* (
  guide: Guidance,
  prompt: string,
  options: Partial<SampleOptions> & { readonly maxTokens: number; readonly seed: number }
) {
  const ids = yield* codec.encode(prompt)
  const parts: ReadonlyArray<Part> = yield* Stream.runCollect(
    samples(
      untrained(options.seed),
      codec,
      { text: prompt, ids: ids.length === 0 ? [endToken] : ids },
      { temperature: 1, stopToken: endToken, guidance: guide, ...options },
      1
    )
  )
  return {
    text: prompt + parts.map(({ text }) => text).join(""),
    tokens: parts.filter(({ token }) => token !== undefined).length,
    ended: parts.at(-1)?.ended?.by
  }
})

const opened = Effect.gen(function* () {
  return { tools: yield* c.open, guide: yield* guidance(c, tokenBytes) }
})

/** More of them on request. */
const count = Number(process.env.TRAINYARD_TEST_GUIDED ?? 300)

describe("guided completions of C", () => {
  it.live(
    `${count} of a random model parse as whole items, at any prompt, temperature, cut, length and seed`,
    () =>
      Effect.gen(function* () {
        const { guide, tools } = yield* opened
        for (let seed = 0; seed < count; seed++) {
          const prompt = prompts[seed % prompts.length]!
          const maxTokens = 20 + ((seed * 37) % (seed % 10 === 0 ? 200 : 60))
          const settings = { temperature: (seed % 7) / 4, topK: [undefined, 1, 40][seed % 3] }
          const { text, tokens } = yield* written(guide, prompt, { maxTokens, seed, ...settings })
          const error = tools.firstError(`${text.trimEnd()}\n`)
          assert.isNull(error, `${error} in ${JSON.stringify(text)}, seed ${seed}`)
          assert.isAtMost(tokens, maxTokens)
        }
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    60_000 + 30 * count
  )

  it.live("end whole where a stop text, an item limit or a loop cuts them", () =>
    Effect.gen(function* () {
      const { guide, tools } = yield* opened
      const endings = new Map<string, number>()
      for (let seed = 0; seed < 40; seed++) {
        const cut: Partial<SampleOptions> = [
          { stop: ["x", ";\n"] },
          { items: { count: 1, lastItem: tools.lastItem } },
          { temperature: 0, repetitionPenalty: 0.01 }
        ][seed % 3]!
        const { ended, text } = yield* written(guide, "int f(int a) {", { maxTokens: 150, seed, ...cut })
        assert.isNull(tools.firstError(`${text.trimEnd()}\n`), text)
        endings.set(ended ?? "", (endings.get(ended ?? "") ?? 0) + 1)
      }
      expect([...endings.keys()]).toEqual(expect.arrayContaining(["stop", "items"]))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("declare a name of their block again only where the penalty leaves nothing likelier", () =>
    Effect.gen(function* () {
      const { guide } = yield* opened
      const [again, bar] = ["foo", "bar_t"].map((word) => 256 + words.indexOf(word))
      const logits = Float32Array.from(tokenBytes, (_, id) => (id === again ? 10 : id === bar ? 6 : 0))
      const next = Effect.fnUntraced(function* (redeclarationPenalty?: number) {
        const one = yield* Guide.begin(guide, "int f(void) { int foo; int ", 50)
        const settings = { temperature: 0, redeclarationPenalty }
        return one.next(logits, settings, () => 0.5, new History(), endToken)
      })
      assert.strictEqual(yield* next(0), again)
      assert.strictEqual(yield* next(3), again)
      assert.strictEqual(yield* next(), bar)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("repeat for a seed, and differ from free ones only after the first refused token", () =>
    Effect.gen(function* () {
      const { guide } = yield* opened
      const options = { maxTokens: 60, seed: 4 }
      const [first, second] = [
        yield* written(guide, "int main", options),
        yield* written(guide, "int main", options)
      ]
      expect(second).toEqual(first)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("are refused in one sentence where they are impossible", () =>
    Effect.gen(function* () {
      const { guide } = yield* opened
      const why = (prompt: string, limit: number) =>
        Effect.map(Effect.flip(Guide.begin(guide, prompt, limit)), ({ message }) => message)
      expect(yield* why("return 1; }", 100)).toMatch(/^The prompt is not the beginning of a C text/)
      expect(yield* why("int f(void) { if (a) { g((", 3)).toMatch(/^The prompt needs \d+ more tokens to end/)
      const without = yield* Effect.flip(guidance(python, tokenBytes))
      expect(without.message).toMatch(/^Python has no grammar/)
      const words = yield* Effect.flip(guidance(c, undefined))
      expect(words.message).toMatch(/^This model's tokenizer is not byte-level/)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )

  it.live("are closed shortly", () =>
    Effect.gen(function* () {
      const { guide } = yield* opened
      for (const [text, closing] of [
        ["int f(int a) { if (a", ");}"],
        ["int main", ";"],
        ["int x = 1;", ""],
        ["#if A\nint", ";\n#endif\n"],
        ['char *s = "a\\', 'n";'],
        ["/* a *", "/int x;"],
        ['#ifdef __cplusplus\nextern "C" {\n#endif\nint f(', ");"]
      ] as const)
        expect([text, closingText(guide, text)]).toEqual([text, closing])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
  )
})
