import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Completion from "../../src/generate/Completion.ts"
import * as Model from "../../src/generate/Model.ts"
import { Ports } from "../../src/model/Programs.ts"
import { place, publishModel, services, settings } from "../train/laboratory.ts"

const provided = Effect.provide(services({ events: [] }))

/** One published model for all tests of a file would outlive them: each makes its own, which takes a moment. */
const published = Effect.gen(function* () {
  const at = yield* place
  return (yield* publishModel(at, { ...settings, steps: 4, evaluateEvery: 4 })).directory
})

const editJson = (file: string, edit: (value: Record<string, unknown>) => void) => {
  const value = JSON.parse(readFileSync(file, "utf8"))
  edit(value)
  writeFileSync(file, JSON.stringify(value))
}

describe("Model.load", () => {
  const broken: ReadonlyArray<readonly [string, (directory: string) => void, RegExp]> = [
    ["without config.json", (directory) => rmSync(join(directory, "config.json")), /has no config\.json/],
    ["without weights", (directory) => rmSync(join(directory, "model.safetensors")), /no model\.safetensors/],
    ["without a tokenizer", (directory) => rmSync(join(directory, "tokenizer.json")), /no tokenizer\.json/],
    [
      "with weights cut off",
      (directory) => truncateSync(join(directory, "model.safetensors"), 3000),
      /model\.safetensors cannot be read as safetensors/
    ],
    [
      "with weights that are text",
      (directory) =>
        writeFileSync(join(directory, "model.safetensors"), "version https://git-lfs.github.com/spec/v1\n"),
      /cannot be read as safetensors/
    ],
    [
      "with a config that is not JSON",
      (directory) => writeFileSync(join(directory, "config.json"), "{"),
      /config\.json does not describe/
    ],
    [
      "of another family",
      (directory) =>
        editJson(join(directory, "config.json"), (config) => Object.assign(config, { model_type: "mamba" })),
      /config\.json does not describe.*model_type/
    ],
    [
      "with another activation",
      (directory) =>
        editJson(join(directory, "config.json"), (config) =>
          Object.assign(config, { activation_function: "relu" })
        ),
      /activation_function/
    ],
    [
      "with another width",
      (directory) =>
        editJson(join(directory, "config.json"), (config) => Object.assign(config, { n_embd: 16 })),
      /transformer\.wte\.weight is \[24, 8\] in model\.safetensors and \[24, 16\]/
    ],
    [
      "with more layers than weights",
      (directory) =>
        editJson(join(directory, "config.json"), (config) => Object.assign(config, { n_layer: 3 })),
      /no tensor transformer\.h\.1/
    ],
    [
      "with a tokenizer of another size",
      (directory) =>
        editJson(join(directory, "tokenizer.json"), (json) => {
          const model = json.model as { vocab: Record<string, number> }
          model.vocab.extra = 24
        }),
      /tokenizer\.json has 25 entries and the model's vocabulary 24/
    ],
    [
      "with another tokenizer of the same size",
      (directory) =>
        editJson(join(directory, "tokenizer.json"), (json) => {
          const model = json.model as { vocab: Record<string, number> }
          Object.assign(model.vocab, { w3: 4, w4: 3 })
        }),
      /not the one that this model was trained with/
    ]
  ]
  it.live("names what is wrong with a damaged folder", () =>
    Effect.gen(function* () {
      const whole = yield* published
      for (const [name, harm, message] of broken) {
        const directory = `${whole}-${name.replaceAll(/\W/g, "-")}`
        cpSync(whole, directory, { recursive: true })
        harm(directory)
        const error = yield* Effect.flip(Model.load(directory))
        assert.match(error.message, message, name)
        assert.include(error.message, directory)
      }
      yield* Model.load(whole)
    }).pipe(Effect.scoped, provided)
  )

  it.live("names the file that is missing", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Model.load("/nowhere"))
      assert.match(error.message, /\/nowhere cannot be used as a model: it has no config\.json/)
    }).pipe(provided)
  )
})

describe("generate", () => {
  it.live("is the same for the same seed, another for another, and ends at its limit", () =>
    Effect.gen(function* () {
      const opened = yield* Model.open(yield* Model.load(yield* published))
      const options = { maxTokens: 6, temperature: 1, seed: 5 }
      const words = (text: string) => text.split(" ").length
      const first = yield* Model.complete(opened, "w3 w5", options)
      assert.strictEqual(yield* Model.complete(opened, "w3 w5", options), first)
      assert.notStrictEqual(yield* Model.complete(opened, "w3 w5", { ...options, seed: 6 }), first)
      assert.isAtMost(words(first), 6)
      // Pieces joined are the whole.
      const pieces = yield* Stream.runCollect(Model.generate(opened, "w3 w5", options))
      assert.strictEqual(pieces.join(""), first)
      // An empty prompt begins a new document.
      assert.isAbove((yield* Model.complete(opened, "", options)).length, 0)
    }).pipe(Effect.scoped, provided)
  )

  it.live("goes on past the context with the last half of it", () =>
    Effect.gen(function* () {
      const opened = yield* Model.open(yield* Model.load(yield* published))
      const { sequenceLength } = opened.generator
      const reads: Array<readonly [number, number]> = []
      const generator: Completion.TextGenerator = {
        sequenceLength,
        program: {
          run: (inputs) => {
            reads.push([inputs[Ports.tokens]![0]!, inputs[Ports.offset]![0]!])
            return opened.generator.program.run(inputs)
          }
        }
      }
      const made = yield* Stream.runCollect(
        Completion.tokens(generator, [3, 5, 7], { maxTokens: 12, temperature: 0, seed: 1 })
      )
      assert.strictEqual(made.length, 12)
      assert.isTrue(reads.every(([, offset]) => offset < sequenceLength))
      // 3 of the prompt and 5 more fill the 8; the sixth token's reading starts over with the last 4.
      assert.deepStrictEqual(
        reads.map(([, offset]) => offset),
        [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3]
      )
      const context = [3, 5, 7, ...made]
      assert.deepStrictEqual(
        reads.slice(8, 12).map(([token]) => token),
        context.slice(5, 9)
      )
    }).pipe(Effect.scoped, provided)
  )

  it.live("reads a prompt in blocks, and writes what it writes after reading token by token", () =>
    Effect.gen(function* () {
      const opened = yield* Model.open(yield* Model.load(yield* published))
      const { blocks = [], program, sequenceLength } = opened.generator
      assert.deepStrictEqual(
        blocks.map(({ length }) => length),
        [sequenceLength / 2]
      )
      let runs = 0
      const counted: Completion.TextGenerator = {
        ...opened.generator,
        blocks: blocks.map(({ length, program }) => ({
          length,
          program: {
            run: (inputs) => {
              runs++
              return program.run(inputs)
            }
          }
        }))
      }
      for (let length = 1; length <= sequenceLength; length++) {
        const prompt = Array.from({ length }, (_, index) => 1 + ((index * 5) % 20))
        const options = { maxTokens: 10, temperature: 1, seed: length }
        runs = 0
        const made = yield* Stream.runCollect(Completion.tokens(counted, prompt, options))
        assert.strictEqual(runs > 0, length > sequenceLength / 2)
        assert.deepStrictEqual(
          made,
          yield* Stream.runCollect(Completion.tokens({ program, sequenceLength }, prompt, options))
        )
      }
    }).pipe(Effect.scoped, provided)
  )

  it.live("a prompt longer than the context keeps its end", () =>
    Effect.gen(function* () {
      const opened = yield* Model.open(yield* Model.load(yield* published))
      const long = Array.from({ length: 20 }, (_, index) => 1 + (index % 20))
      const options = { maxTokens: 1, temperature: 0, seed: 1 }
      const whole = yield* Stream.runCollect(Completion.tokens(opened.generator, long, options))
      const end = yield* Stream.runCollect(Completion.tokens(opened.generator, long.slice(-8), options))
      assert.deepStrictEqual(whole, end)
    }).pipe(Effect.scoped, provided)
  )

  it.live("waits with a character until all its bytes are there", () =>
    Effect.gen(function* () {
      const bytes = Buffer.from("aé€😀z")
      const codec: Completion.Codec<never> = {
        encode: (text) => Effect.succeed([...Buffer.from(text)]),
        decode: (ids) => Effect.succeed(new TextDecoder().decode(Uint8Array.from(ids)))
      }
      const pieces = yield* Stream.runCollect(Completion.text(codec, Stream.fromIterable(bytes)))
      assert.deepStrictEqual(pieces, ["a", "é", "€", "😀", "z"])
      // Also where the text of some tokens is known without decoding: after a cut character, they are decoded with it.
      const texts = Array.from({ length: 128 }, (_, id) => String.fromCharCode(id))
      const cut = Buffer.concat([Buffer.from("a😀"), Buffer.from("😀").subarray(0, 3), Buffer.from("zé")])
      const known = yield* Stream.runCollect(Completion.text({ ...codec, texts }, Stream.fromIterable(cut)))
      assert.deepStrictEqual(known, ["a", "😀", "\uFFFDz", "é"])
    })
  )

  it.live("decodes no more for a token of a long text than for one of a short text", () =>
    Effect.gen(function* () {
      let most = 0
      // Joins words by spaces, as decoders do that depend on the token before.
      const codec: Completion.Codec<never> = {
        encode: () => Effect.succeed([]),
        decode: (ids) => {
          most = Math.max(most, ids.length)
          return Effect.succeed(ids.map((id) => `w${id}`).join(" "))
        }
      }
      const ids = Array.from({ length: 1000 }, (_, index) => index)
      const pieces = yield* Stream.runCollect(Completion.text(codec, Stream.fromIterable(ids)))
      assert.strictEqual(pieces.join(""), ids.map((id) => `w${id}`).join(" "))
      assert.isAtMost(most, 64)
    })
  )

  it.live("keeps a character whole wherever it falls in a long text", () =>
    Effect.gen(function* () {
      const written = "aé€😀z".repeat(40)
      const codec: Completion.Codec<never> = {
        encode: () => Effect.succeed([]),
        decode: (ids) => Effect.succeed(new TextDecoder().decode(Uint8Array.from(ids)))
      }
      const pieces = yield* Stream.runCollect(
        Completion.text(codec, Stream.fromIterable(Buffer.from(written)))
      )
      assert.deepStrictEqual(pieces, [...written])
    })
  )
})
