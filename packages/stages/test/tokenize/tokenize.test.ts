import { assert, layer } from "@effect/vitest"
import type { Stage } from "@trainyard/core"
import { Effect, FileSystem } from "effect"
import * as fc from "fast-check"
import { Tokenizer as Library } from "tokenizers"
import type { Corpus } from "../../src/collect/Corpus.ts"
import * as Tokenizer from "../../src/tokenize/Tokenizer.ts"
import { tokenize } from "../../src/tokenize/tokenize.ts"
import { corpusOf, someCode } from "../corpusOf.ts"
import * as Running from "../runStage.ts"
import { anyText } from "./texts.ts"

const corpus = {} as Stage.Node<typeof Corpus, never, never>
const code = Array.from({ length: 12 }, (_, seed) => someCode(seed))

const made = Effect.fnUntraced(function* (
  options: { readonly model?: "byte-pair" | "word-level"; readonly vocabularySize: number },
  texts: ReadonlyArray<string> = code
) {
  return yield* Running.runStage(tokenize({ corpus, ...options }), { corpus: yield* corpusOf(texts) })
})

layer(Running.layer)("tokenize", (it) => {
  it.effect("gives back exactly the text it encoded, any text", () =>
    Effect.gen(function* () {
      const { artifact } = yield* made({ vocabularySize: 400 })
      const tokenizer = yield* Tokenizer.load(artifact.directory)
      for (const text of fc.sample(anyText, { numRuns: 200, seed: 3 })) {
        assert.strictEqual(yield* tokenizer.decode(yield* tokenizer.encode(text)), text)
      }
    })
  )

  it.effect("encodes as the library does, whatever was encoded before", () =>
    Effect.gen(function* () {
      for (const options of [{ vocabularySize: 400 }, { model: "word-level", vocabularySize: 40 }] as const) {
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
        const { artifact, events } = yield* made(options)
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
        assert.isTrue(events.some((event) => event.type === "Facts"))
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
      const impossible = (options: Parameters<typeof made>[0]) =>
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
})

layer(Running.layer)("loading a tokenizer", (it) => {
  const folder = Effect.fnUntraced(function* (json: string | undefined, config?: string) {
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectoryScoped()
    if (json !== undefined) yield* fs.writeFileString(`${directory}/tokenizer.json`, json)
    if (config !== undefined) yield* fs.writeFileString(`${directory}/tokenizer_config.json`, config)
    return directory
  })

  it.effect("explains what is wrong with a folder", () =>
    Effect.gen(function* () {
      for (const [json, says] of [
        [undefined, "does not exist"],
        ['{"model":', "is not JSON"],
        ['{"hello":1}', "not a tokenizer of Hugging Face"],
        ['{"model":{"type":"BPE","vocab":{}}}', "has no vocabulary"],
        [
          '{"version":"1.0","model":{"type":"Nonsense","vocab":{"a":0}}}',
          "is refused by the tokenizers library"
        ],
        [
          '{"version":"1.0","added_tokens":[],"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}',
          "has no token <|endoftext|>"
        ]
      ] as const) {
        const error = yield* Effect.flip(Tokenizer.load(yield* folder(json)))
        assert.strictEqual(error._tag, "InvalidTokenizer")
        assert.include(error.message, says)
      }
    })
  )

  it.effect("opens a tokenizer that somebody else made", () =>
    Effect.gen(function* () {
      const json = JSON.stringify({
        version: "1.0",
        added_tokens: [
          {
            id: 3,
            content: "</s>",
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: true
          }
        ],
        normalizer: { type: "Lowercase" },
        pre_tokenizer: { type: "WhitespaceSplit" },
        post_processor: null,
        decoder: null,
        model: { type: "WordLevel", vocab: { "<unk>": 0, hello: 1, world: 2 }, unk_token: "<unk>" }
      })
      const tokenizer = yield* Tokenizer.load(yield* folder(json, '{"eos_token":{"content":"</s>"}}'))
      assert.strictEqual(tokenizer.model, "other")
      assert.strictEqual(tokenizer.endTokenId, 3)
      assert.strictEqual(tokenizer.vocabularySize, 4)
      assert.deepStrictEqual([...(yield* tokenizer.encode("Hello there WORLD"))], [1, 0, 2])
    })
  )

  it.effect("refuses ids of another tokenizer", () =>
    Effect.gen(function* () {
      const { artifact } = yield* made({ vocabularySize: 300 })
      const tokenizer = yield* Tokenizer.load(artifact.directory)
      for (const id of [300, -1, 1.5]) {
        const error = yield* Effect.flip(tokenizer.decode([5, id]))
        assert.include(error.message, `Token ${id} is none of this tokenizer's`)
      }
    })
  )

  it.effect("ends in a tokenizer or a typed error for any damage", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { artifact } = yield* made({ vocabularySize: 260 })
      const whole = yield* fs.readFileString(`${artifact.directory}/tokenizer.json`)
      const unit = fc.double({ min: 0, max: 1, noNaN: true })
      const damage = fc.oneof(
        fc.record({ cut: unit }),
        fc.record({ at: unit, text: fc.string({ maxLength: 6 }) }),
        fc.record({ at: unit, text: fc.constantFrom("null", "-1", "1e99", "[]", "{}", '"x"') })
      )
      for (const change of fc.sample(damage, { numRuns: 120, seed: 5 })) {
        const at = (share: number) => Math.floor(share * whole.length)
        const json =
          "cut" in change
            ? whole.slice(0, at(change.cut))
            : whole.slice(0, at(change.at)) + change.text + whole.slice(at(change.at) + change.text.length)
        const loaded = yield* Tokenizer.load(yield* folder(json)).pipe(
          Effect.flatMap((tokenizer) => tokenizer.encode("int main(void)\n")),
          Effect.as("tokenizer"),
          Effect.catch((error) => Effect.succeed(error._tag))
        )
        assert.include(["tokenizer", "InvalidTokenizer", "TokenizerMismatch"], loaded)
      }
    })
  )
})
