/**
 * The published folder in Hugging Face's transformers, where a Python with it is present: `python3`, or those that
 * TRAINYARD_TEST_PYTHON names, separated by colons. Its tokenizer and its configuration need no torch.
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import type { Stage } from "@trainyard/core"
import { Effect, Schema } from "effect"
import type { Corpus } from "../../src/collect/Corpus.ts"
import { buildDataset } from "../../src/dataset/buildDataset.ts"
import * as Tokenizer from "../../src/tokenize/Tokenizer.ts"
import type { TokenizerArtifact } from "../../src/tokenize/TokenizerArtifact.ts"
import { tokenize } from "../../src/tokenize/tokenize.ts"
import { corpusOf, someCode } from "../corpusOf.ts"
import * as Running from "../runStage.ts"
import { place, publishModel, settings } from "../train/laboratory.ts"

const version = 'import importlib.metadata as m; m.version("tokenizers"); print(m.version("transformers"))'
const pythons = ["python3", ...(process.env.TRAINYARD_TEST_PYTHON ?? "").split(":")]
  .filter((python) => python !== "")
  .map((python) => ({
    python,
    version: spawnSync(python, ["-c", version], { encoding: "utf8" }).stdout?.trim() ?? ""
  }))

const script = fileURLToPath(new URL("./openFolder.py", import.meta.url))
const texts = ["int main", "/* \u00e9\u20ac\u{1f600} */ return n;\n", "<unk <|endoftext|"]

const Opened = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.String,
    names: Schema.Array(Schema.String),
    ids: Schema.Array(Schema.Array(Schema.Int)),
    texts: Schema.Array(Schema.String),
    entries: Schema.Int,
    longest: Schema.Int,
    padToken: Schema.NullOr(Schema.String),
    padId: Schema.NullOr(Schema.Int),
    padded: Schema.Array(Schema.Array(Schema.Int)),
    mask: Schema.Array(Schema.Array(Schema.Int)),
    model: Schema.String,
    vocabulary: Schema.Int
  })
)

const corpus = {} as Stage.Node<typeof Corpus, never, never>
const tokenizer = {} as Stage.Node<typeof TokenizerArtifact, never, never>

/** A model folder as a pipeline publishes it. */
const published = Effect.fnUntraced(function* (model: "byte-pair" | "word-level") {
  const at = yield* place
  const documents = yield* corpusOf(Array.from({ length: 8 }, (_, seed) => someCode(seed, 12)))
  const vocabularySize = model === "byte-pair" ? 270 : 20
  const { artifact } = yield* Running.runStage(tokenize({ corpus, model, vocabularySize }), {
    corpus: documents
  })
  const dataset = yield* Running.runStage(buildDataset({ corpus, tokenizer }), {
    corpus: documents,
    tokenizer: artifact
  })
  const { directory } = yield* publishModel(
    { ...at, dataset: dataset.artifact },
    {
      ...settings,
      sequenceLength: 16,
      steps: 2
    }
  )
  return { directory, saved: join(at.root, "saved") }
})

describe("transformers", () => {
  for (const major of ["4", "5"]) {
    const found = pythons.find((each) => each.version.startsWith(`${major}.`))
    const name = found === undefined ? "no Python with it here, see TRAINYARD_TEST_PYTHON" : found.version
    for (const model of ["byte-pair", "word-level"] as const) {
      it.live.skipIf(found === undefined)(
        `${major} (${name}) opens what checkpoint published with a ${model} tokenizer`,
        () =>
          Effect.gen(function* () {
            const { directory, saved } = yield* published(model)
            const asked = spawnSync(found!.python, [script, directory, saved], {
              encoding: "utf8",
              input: JSON.stringify(texts),
              env: { ...process.env, HF_HUB_OFFLINE: "1" }
            })
            assert.strictEqual(asked.status, 0, asked.stderr)
            const opened = yield* Schema.decodeUnknownEffect(Opened)(asked.stdout.trim().split("\n").at(-1))
            const own = yield* Tokenizer.load(directory)
            // With token_type_ids among them, GPT-2 adds an embedding to every position.
            assert.deepStrictEqual(opened.names, ["attention_mask", "input_ids"])
            assert.deepStrictEqual(
              opened.ids,
              (yield* own.encodeBatch(texts)).map((ids) => [...ids])
            )
            if (model === "byte-pair") assert.deepStrictEqual(opened.texts, texts)
            assert.strictEqual(opened.entries, own.vocabularySize)
            assert.strictEqual(opened.longest, 16)
            assert.strictEqual(opened.padToken, own.endToken)
            assert.strictEqual(opened.padId, own.endTokenId)
            const longest = Math.max(...opened.ids.map((ids) => ids.length))
            for (const [index, ids] of opened.ids.entries()) {
              const rest = longest - ids.length
              assert.deepStrictEqual(opened.padded[index], [...ids, ...Array(rest).fill(own.endTokenId)])
              assert.deepStrictEqual(opened.mask[index], [...ids.map(() => 1), ...Array(rest).fill(0)])
            }
            assert.strictEqual(opened.model, "GPT2Config")
            assert.strictEqual(opened.vocabulary, own.vocabularySize)
            // Saved by transformers, it is still the same tokenizer to every stage.
            assert.strictEqual((yield* Tokenizer.load(saved)).digest, own.digest)
          }).pipe(Effect.scoped, Effect.provide(Running.layer)),
        120_000
      )
    }
  }
})
