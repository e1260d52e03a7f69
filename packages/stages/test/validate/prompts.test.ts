import { describe, expect, it } from "@effect/vitest"
import type { Prepared } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import type { SplitReader } from "../../src/dataset/DatasetReader.ts"
import type { TextGenerator } from "../../src/generate/Batch.ts"
import type { Codec } from "../../src/generate/Completion.ts"
import { grammar } from "../../src/languages/c/grammar.ts"
import { itemsWithBodies } from "../../src/languages/c/items.ts"
import * as Grammar from "../../src/languages/Grammar.ts"
import { Ports } from "../../src/model/Programs.ts"
import { choosePrompts } from "../../src/validate/choosePrompts.ts"
import { completeAll, type Options, real } from "../../src/validate/complete.ts"

const endTokenId = 0

/** One token a byte. */
const bytes: Codec<never> = {
  encode: (text) => Effect.succeed([...Buffer.from(text)]),
  decode: (ids) => Effect.succeed(Buffer.from([...ids]).toString("utf8"))
}

const texts = {
  "a.c": "#include <a.h>\nint f(void) { return 1; }\nint g(int a)\n{\n  return a;\n}\n",
  "b.h":
    "#ifndef B_H\n#define B_H\nstruct pair { int a; int b; };\ntypedef struct { int c; } t;\nint h(void);\n#endif\n",
  "c.c": "int broken(void) { return ; } }\nint long_one(void) { return 1111111111111111111111111111111; }\n",
  "e.c": "int k(int a)\n{\n  a = a * 2;\n  a = a + 1;\n  b();\n  return a;\n}\n",
  "d.md": "int in_text(void) { return 1; }\n"
}

const split: SplitReader = (() => {
  const tokens: Array<number> = []
  const documents = Object.entries(texts).map(([path, text], id) => {
    const start = tokens.length
    tokens.push(...Buffer.from(text), endTokenId)
    return {
      id,
      path,
      origin: "folder:test",
      kind: path.split(".")[1]!,
      split: "validation" as const,
      start,
      tokens: text.length + 1,
      bytes: text.length
    }
  })
  return {
    length: tokens.length,
    read: (start, count) => Effect.succeed(Int32Array.from(tokens.slice(start, start + count))),
    documents,
    starts: Float64Array.from(documents, ({ start }) => start),
    documentAt: () => undefined
  }
})()

const choose = (count: number, seed = 1) =>
  Effect.scoped(
    Effect.gen(function* () {
      const parser = yield* Grammar.open(grammar)
      const language = {
        endings: ["c", "h"],
        items: (document: string) => itemsWithBodies(parser, document)
      }
      return yield* choosePrompts(split, bytes, language, { count, seed, longestItem: 24 })
    })
  )

describe("prompts from validation documents", () => {
  it.effect(
    "are heads of functions and structures of C files, each with what the document says after it",
    () =>
      Effect.gen(function* () {
        const { heads, prompts: chosen, tooLong } = yield* choose(5)
        expect({ heads, tooLong }).toEqual({ heads: 5, tooLong: 2 })
        expect(chosen.map(({ document, prompt }) => `${document}: ${prompt}`).toSorted()).toEqual([
          "a.c: int f(void) {",
          "a.c: int g(int a)\n{",
          "b.h: struct pair {",
          "b.h: typedef struct {",
          "c.c: int broken(void) {"
        ])
        for (const { document, item, prompt, rest } of chosen) {
          expect(texts[document as keyof typeof texts]).toContain(prompt + rest)
          expect(rest.startsWith(item)).toBe(true)
          expect(item).toMatch(/\}( t;)?;?$/)
        }
      })
  )

  it.effect(
    "have lines of the body where there are too few heads, and those that are too long are counted",
    () =>
      Effect.gen(function* () {
        const { heads, prompts, tooLong } = yield* choose(10)
        expect({ found: prompts.length, heads, tooLong }).toEqual({ found: 7, heads: 5, tooLong: 3 })
        const head = "int k(int a)\n{\n  a = a * 2;\n  a = a + 1;"
        expect(
          prompts
            .slice(5)
            .map(({ prompt }) => prompt)
            .toSorted()
        ).toEqual([head, `${head}\n  b();`])
        expect(prompts.slice(5).every(({ item, prompt }) => (prompt + item).endsWith("return a;\n}"))).toBe(
          true
        )
      })
  )

  it.effect("come from different documents first, and depend on the seed alone", () =>
    Effect.gen(function* () {
      const chosen = yield* choose(3)
      expect(new Set(chosen.prompts.map((each) => each.document)).size).toBe(3)
      expect(yield* choose(3)).toEqual(chosen)
      const firsts = yield* Effect.forEach([...Array(12).keys()], (seed) => choose(1, seed))
      expect(new Set(firsts.map(({ prompts: [first] }) => first!.prompt)).size).toBeGreaterThan(1)
    })
  )
})

/** A model that always goes on with the next byte of a text. */
const reciting = (text: string): Prepared => {
  const ids = [...Buffer.from(text), endTokenId]
  let position = 0
  return {
    run: (inputs) =>
      Effect.sync(() => {
        const token = inputs[Ports.tokens]![0]!
        if (inputs[Ports.offset]![0] === 0) position = 0
        position = ids.indexOf(token, position) + 1
        return {
          [Ports.logits]: Float32Array.from({ length: 256 }, (_, id) => (id === ids[position] ? 9 : 0))
        }
      })
  }
}

const options = { maxTokens: 5, temperature: 0, topK: 1, seed: 1, endTokenId, loopStop: true }

const complete = (speaker: TextGenerator, prompt: string, given: Options) =>
  Effect.map(completeAll(speaker, bytes, [prompt], given, Effect.void), ([made]) => made!)

describe("completions", () => {
  const speaker = { program: reciting("abcdefgh"), sequenceLength: 16 }

  it.effect("stop at the token limit", () =>
    Effect.gen(function* () {
      const made = yield* complete(speaker, "ab", options)
      expect(made).toEqual({ text: "cdefg", tokens: [...Buffer.from("cdefg")], ended: "limit" })
    })
  )

  it.effect("stop where the model ends the document, and say so", () =>
    Effect.gen(function* () {
      const made = yield* complete(speaker, "abcdef", options)
      expect(made).toEqual({ text: "gh", tokens: [...Buffer.from("gh")], ended: "document" })
    })
  )

  it.effect("leave out a character that the limit cut", () =>
    Effect.gen(function* () {
      const made = yield* complete({ program: reciting("abcdé"), sequenceLength: 16 }, "a", {
        ...options,
        maxTokens: 4
      })
      expect(made.text).toBe("bcd")
    })
  )
})

/** An item ends at a semicolon. */
const items = { count: 2, lastItem: (text: string) => ({ end: text.lastIndexOf(";") + 1, closing: "" }) }

describe("an item limit", () => {
  const speaker = { program: reciting("a;bcd;efgh;i"), sequenceLength: 40 }

  it.effect("ends completions, and what the document says in their place, at the same item", () =>
    Effect.gen(function* () {
      const ended = { text: "cd;efgh;", ended: "items" }
      expect(yield* complete(speaker, "a;b", { ...options, maxTokens: 30, items })).toMatchObject(ended)
      const rest = { prompt: "a;b", rest: "cd;efgh;i;" }
      expect(yield* real(bytes, rest, { maxTokens: 30, items })).toMatchObject(ended)
      expect((yield* real(bytes, rest, { maxTokens: 5, items })).ended).toBe("limit")
    })
  )
})

describe("what the document really says", () => {
  const says = (rest: string) => real(bytes, { prompt: "", rest }, { maxTokens: 3 })

  it.effect("is cut at the same number of tokens, or reaches to the document's end", () =>
    Effect.gen(function* () {
      expect(yield* says("abcdefgh")).toEqual({ text: "abc", tokens: [97, 98, 99], ended: "limit" })
      expect((yield* says("abc")).ended).toBe("document")
      expect((yield* says("a".repeat(5000))).ended).toBe("limit")
    })
  )
})
