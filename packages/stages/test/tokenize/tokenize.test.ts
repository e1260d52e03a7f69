import { assert, layer } from "@effect/vitest"
import type { Stage } from "@trainyard/core"
import * as Pipeline from "@trainyard/core/Pipeline"
import * as Settings from "@trainyard/core/Settings"
import { Effect, FileSystem } from "effect"
import * as fc from "fast-check"
import { Tokenizer as Library } from "tokenizers"
import { collect } from "../../src/collect/collect.ts"
import * as Source from "../../src/collect/Source.ts"
import * as Gpt from "../../src/model/Gpt.ts"
import type { Split } from "../../src/split/Split.ts"
import { splitCorpus } from "../../src/split/splitCorpus.ts"
import { sentinelsOf } from "../../src/tokenize/sentinels.ts"
import * as Tokenizer from "../../src/tokenize/Tokenizer.ts"
import { tokenize } from "../../src/tokenize/tokenize.ts"
import { someCode } from "../corpusOf.ts"
import * as Running from "../runStage.ts"
import { splitOf } from "../splitOf.ts"
import { anyText } from "./texts.ts"

const split = {} as Stage.Node<typeof Split, never, never>
const code = Array.from({ length: 12 }, (_, seed) => someCode(seed))

type Options = Omit<Parameters<typeof tokenize>[0], "split" | "name" | "after">

const made = Effect.fnUntraced(function* (options: Options, train: ReadonlyArray<string> = code) {
  return yield* Running.runStage(tokenize({ split, ...options }), { split: yield* splitOf({ train }) })
})

layer(Running.layer)("tokenize", (it) => {
  it.effect("gives back exactly the text it encoded, any text", () =>
    Effect.gen(function* () {
      for (const options of [{}, { singleDigits: true, wholeIndentation: true }]) {
        const { artifact } = yield* made({ vocabularySize: 300, ...options })
        const tokenizer = yield* Tokenizer.load(artifact.directory)
        for (const text of fc.sample(anyText, { numRuns: 200, seed: 3 })) {
          const ids = yield* tokenizer.encode(text)
          assert.strictEqual(yield* tokenizer.decode(ids), text)
          assert.strictEqual(yield* tokenizer.bytesOf(text, ids), Buffer.byteLength(text))
        }
      }
    })
  )

  it.effect("has the sentinels as special tokens of its size, which no text becomes", () =>
    Effect.gen(function* () {
      const { artifact } = yield* made({ vocabularySize: 320, fillInTheMiddle: true })
      const { directory, value } = artifact
      const tokenizer = yield* Tokenizer.load(directory)
      const sentinels = yield* sentinelsOf(directory)
      assert.deepStrictEqual(sentinels, {
        prefix: 317,
        suffix: 318,
        middle: 319,
        order: "suffix-prefix-middle"
      })
      assert.deepInclude(value, { vocabularySize: 320, endTokenId: 316 })
      assert.strictEqual(tokenizer.vocabularySize, 320)
      const names = "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"
      for (const text of [names, `int ${names}\n`, ...fc.sample(anyText, { numRuns: 50, seed: 6 })]) {
        const ids = yield* tokenizer.encode(text)
        assert.isBelow(Math.max(-1, ...ids), value.endTokenId)
        assert.strictEqual(yield* tokenizer.decode(ids), text)
      }
      // Other programs know them: the library reads them as special tokens.
      const fs = yield* FileSystem.FileSystem
      const library = Library.fromString(yield* fs.readFileString(`${directory}/tokenizer.json`))
      const encoding = yield* Effect.promise(() => library.encode(names))
      assert.deepStrictEqual(
        Array.from(encoding.getIds()).filter((id) => id > value.endTokenId),
        [317, 318, 319]
      )
      const config = JSON.parse(yield* fs.readFileString(`${directory}/tokenizer_config.json`))
      assert.deepStrictEqual(config.additional_special_tokens, [
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>"
      ])
      const plain = yield* made({ vocabularySize: 320 })
      assert.isUndefined(yield* sentinelsOf(plain.artifact.directory))
      const small = yield* Effect.flip(made({ vocabularySize: 259, fillInTheMiddle: true }))
      assert.include((small as { readonly message: string }).message, "Set it to 260 or more")
    })
  )

  it.effect("encodes as the library does, whatever was encoded before", () =>
    Effect.gen(function* () {
      const ways: ReadonlyArray<Options> = [
        { vocabularySize: 400 },
        { vocabularySize: 300, wholeIndentation: true },
        { vocabularySize: 300, singleDigits: true },
        { vocabularySize: 300, singleDigits: true, wholeIndentation: true },
        { model: "word-level", vocabularySize: 40 }
      ]
      for (const options of ways) {
        const { artifact } = yield* made(options)
        const fs = yield* FileSystem.FileSystem
        const json = JSON.parse(yield* fs.readFileString(`${artifact.directory}/tokenizer.json`))
        const library = Library.fromString(JSON.stringify({ ...json, added_tokens: [] }))
        const tokenizer = yield* Tokenizer.load(artifact.directory)
        assert.strictEqual(tokenizer.model, artifact.value.model)
        const texts = [...fc.sample(anyText, { numRuns: 60, seed: 4 }), ...code, "x".repeat(300)]
        const theirs = yield* Effect.promise(() => library.encodeBatch(texts, { addSpecialTokens: false }))
        const ours = yield* tokenizer.encodeBatch(texts)
        for (const [index, encoding] of theirs.entries()) {
          assert.deepStrictEqual([...ours[index]!], encoding.getIds())
        }
      }
    })
  )

  it.effect("says what it made, and the figures are those of the corpus encoded", () =>
    Effect.gen(function* () {
      for (const options of [{ vocabularySize: 350 }, { model: "word-level", vocabularySize: 30 }] as const) {
        const { artifact } = yield* made(options)
        const { value } = artifact
        const tokenizer = yield* Tokenizer.load(artifact.directory)
        assert.strictEqual(tokenizer.vocabularySize, options.vocabularySize)
        assert.strictEqual(tokenizer.endTokenId, value.endTokenId)
        assert.strictEqual(tokenizer.unknownTokenId, value.unknownTokenId)
        const tokens = (yield* tokenizer.encodeBatch(code)).flatMap((ids) => [...ids])
        assert.strictEqual(value.bytesPerToken, code.join("").length / tokens.length)
        assert.strictEqual(value.vocabularyUse, (new Set(tokens).size + 1) / options.vocabularySize)
        const unknown = tokens.filter((id) => id === value.unknownTokenId).length
        assert.strictEqual(value.unknownRate, unknown / tokens.length)
        assert.strictEqual(value.model === "word-level", unknown > 0)
      }
    })
  )

  it.effect("is opened by the tokenizers library with its end token special", () =>
    Effect.gen(function* () {
      for (const model of ["byte-pair", "word-level"] as const) {
        const { artifact } = yield* made({ model, vocabularySize: model === "byte-pair" ? 300 : 40 })
        const library = Library.fromFile(`${artifact.directory}/tokenizer.json`)
        assert.strictEqual(library.getVocabSize(true), artifact.value.vocabularySize)
        assert.strictEqual(library.tokenToId("<|endoftext|>"), artifact.value.endTokenId)
        const encoding = yield* Effect.promise(() => library.encode("int<|endoftext|>"))
        assert.strictEqual(encoding.getIds().at(-1), artifact.value.endTokenId)
      }
    })
  )

  it.effect("does not let a document forge the end of itself", () =>
    Effect.gen(function* () {
      const { artifact } = yield* made({ vocabularySize: 300 })
      const tokenizer = yield* Tokenizer.load(artifact.directory)
      const ids = yield* tokenizer.encode("a <|endoftext|> b")
      assert.notInclude([...ids], tokenizer.endTokenId)
      assert.strictEqual(yield* tokenizer.decode([tokenizer.endTokenId]), "<|endoftext|>")
    })
  )

  it.effect("joins words it knows to the text, and calls the others unknown", () =>
    Effect.gen(function* () {
      const { artifact } = yield* made({ model: "word-level", vocabularySize: 100 })
      const tokenizer = yield* Tokenizer.load(artifact.directory)
      const known = "    int return = 7;\n"
      const ids = yield* tokenizer.encode(known)
      const parts = [...ids].includes(0) ? "" : yield* tokenizer.decode(ids)
      assert.strictEqual(parts.replace("7", ""), parts === "" ? "" : known.replace("7", ""))
      assert.deepStrictEqual([...(yield* tokenizer.encode("neverseen"))], [0])
    })
  )

  it.effect("learns names like __proto__ and constructor", () =>
    Effect.gen(function* () {
      const text = "__proto__ constructor toString __proto__ constructor toString\n".repeat(3)
      const { artifact } = yield* made({ model: "word-level", vocabularySize: 7 }, [text])
      const tokenizer = yield* Tokenizer.load(artifact.directory)
      assert.strictEqual(yield* tokenizer.decode(yield* tokenizer.encode(text)), text)
    })
  )

  it.effect("names the largest and the smallest vocabulary that can be", () =>
    Effect.gen(function* () {
      const impossible = (options: Options) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(made(options))
          assert.strictEqual(error._tag, "ImpossibleVocabulary")
          if (error._tag !== "ImpossibleVocabulary") return assert.fail()
          return error
        })
      for (const model of ["byte-pair", "word-level"] as const) {
        const large = yield* impossible({ model, vocabularySize: 100_000 })
        assert.include(large.message, `the largest possible is ${large.largest}`)
        const fits = yield* made({ model, vocabularySize: large.largest })
        assert.strictEqual(fits.artifact.value.vocabularySize, large.largest)
        yield* impossible({ model, vocabularySize: large.largest + 1 })
      }
      assert.include((yield* impossible({ vocabularySize: 200 })).message, "Set it to 257 or more")
    })
  )

  it.effect("learns from the training split, and from no other document", () =>
    Effect.gen(function* () {
      const train = code.slice(0, 9)
      const learn = (validation: ReadonlyArray<string>, test: ReadonlyArray<string>) =>
        Effect.flatMap(splitOf({ train, validation, test }), (given) =>
          Running.runStage(tokenize({ split, vocabularySize: 350 }), { split: given })
        )
      const one = yield* learn(["leaked_name ".repeat(500)], ["another_leak ".repeat(500)])
      const other = yield* learn(["x"], ["y"])
      assert.deepStrictEqual(one.artifact.value, other.artifact.value)
      assert.strictEqual(
        one.artifact.value.bytesPerToken,
        (yield* made({ vocabularySize: 350 }, train)).artifact.value.bytesPerToken
      )
    })
  )

  it.effect("takes a size that suits the text where none is asked for, or what the text gives", () =>
    Effect.gen(function* () {
      const few = yield* made({})
      const largest = yield* Effect.flip(made({ vocabularySize: 100_000 }))
      assert.strictEqual(
        few.artifact.value.vocabularySize,
        largest._tag === "ImpossibleVocabulary" ? Math.min(320, largest.largest) : 0
      )
      const repeated = yield* made({}, ["int x;\n"])
      assert.strictEqual(repeated.artifact.value.vocabularySize, 257)
      const words = yield* made({ model: "word-level" }, ["a b a b\n"])
      assert.strictEqual(words.artifact.value.vocabularySize, 5)
    })
  )

  it.effect("takes the shape of a model with all that it says", () =>
    Effect.gen(function* () {
      const resolve = (forModel: Gpt.GptShape) =>
        Settings.resolve(
          Pipeline.make("words", () => {
            const corpus = collect({ sources: [Source.folder("src")] })
            return tokenize({ split: splitCorpus({ corpus }), forModel })
          })
        )
      yield* resolve(Gpt.small)
      assert.include((yield* Effect.flip(resolve({ ...Gpt.small, layers: 0 }))).message, "layers")
    })
  )

  it.effect("refuses settings without effect", () =>
    Effect.gen(function* () {
      for (const [options, says] of [
        [{ vocabularySize: 300, forModel: { embedding: 64, layers: 2 } }, "vocabularySize and forModel both"],
        [{ model: "word-level", singleDigits: true }, "singleDigits has no effect on word-level"],
        [{ model: "word-level", wholeIndentation: true }, "wholeIndentation has no effect"]
      ] as const) {
        assert.include(String(yield* Effect.flip(made(options))), says)
      }
    })
  )

  it.effect("keeps words of few documents out of the vocabulary, and counts them all the same", () =>
    Effect.gen(function* () {
      const common = "shared_name = 1;\n".repeat(4)
      const texts = [`${common}${"peculiar ".repeat(50)}`, `${common}${"different ".repeat(50)}`]
      const entries = (options: Options) =>
        Effect.gen(function* () {
          const { artifact } = yield* made(options, texts)
          const tokenizer = yield* Tokenizer.load(artifact.directory)
          const encoded = yield* tokenizer.encodeBatch(texts)
          const tokens = encoded.reduce((sum, ids) => sum + ids.length, 0)
          assert.strictEqual(artifact.value.bytesPerToken, texts.join("").length / tokens)
          const used = new Set(encoded.flatMap((ids) => [...ids])).size + 1
          assert.strictEqual(artifact.value.vocabularyUse, used / artifact.value.vocabularySize)
          const pieces = (text: string) => Effect.map(tokenizer.encode(text), (ids) => ids.length)
          return [yield* pieces(" peculiar"), yield* pieces("shared")]
        })
      assert.deepStrictEqual(yield* entries({}), [1, 1])
      const [peculiar, shared] = yield* entries({ minimumDocuments: 2 })
      assert.isAbove(peculiar!, 1)
      assert.strictEqual(shared, 1)
      const rare = yield* made({ model: "word-level", minimumDocuments: 2 }, texts)
      assert.isAbove(rare.artifact.value.unknownRate!, 0.3)
      const refused = yield* Effect.flip(made({ vocabularySize: 5000, minimumDocuments: 2 }, texts))
      assert.include(refused.message, "see minimumFrequency and minimumDocuments")
    })
  )
})
