import { assert, layer } from "@effect/vitest"
import type { Stage } from "@trainyard/core"
import { Effect, FileSystem } from "effect"
import * as fc from "fast-check"
import type { Split } from "../../src/split/Split.ts"
import * as Tokenizer from "../../src/tokenize/Tokenizer.ts"
import { tokenize } from "../../src/tokenize/tokenize.ts"
import { someCode } from "../corpusOf.ts"
import * as Running from "../runStage.ts"
import { splitOf } from "../splitOf.ts"

const split = {} as Stage.Node<typeof Split, never, never>
const train = Array.from({ length: 12 }, (_, seed) => someCode(seed))

const made = Effect.fnUntraced(function* (vocabularySize: number) {
  return yield* Running.runStage(tokenize({ split, vocabularySize }), { split: yield* splitOf({ train }) })
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
      const { artifact } = yield* made(300)
      const tokenizer = yield* Tokenizer.load(artifact.directory)
      for (const id of [300, -1, 1.5]) {
        const error = yield* Effect.flip(tokenizer.decode([5, id]))
        assert.include(error.message, `Token ${id} is not in this tokenizer's vocabulary`)
      }
    })
  )

  it.effect("ends in a tokenizer or a typed error for any damage", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { artifact } = yield* made(260)
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
