/**
 * @huggingface/transformers opens the ONNX folders and computes with onnxruntime-node: the same token ids, the same greedy tokens with its
 * key-value cache, the same logits, also for a text that is padded. TRAINYARD_TEST_READERS allows to install it, TRAINYARD_TEST_MODELS names
 * trained folders to open too.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { exportOnnx } from "../../../src/export/onnx/exportOnnx.ts"
import * as Model from "../../../src/generate/Model.ts"
import { bytePairSplitting, type SplittingOptions } from "../../../src/tokenize/splitting.ts"
import { wordLevelJson } from "../../../src/tokenize/tokenizerJson.ts"
import {
  families,
  largestDifference,
  likeliest,
  logitsOf,
  makeFolder,
  nastyTexts,
  randomTexts,
  tokenizerJson
} from "../folders.ts"
import { allowed, hint, install, trained } from "../readers.ts"

const packages = { "@huggingface/transformers": "4.3.1" }

const Logits = Schema.Array(Schema.Array(Schema.Finite))
const Computed = Schema.fromJsonString(
  Schema.Array(
    Schema.Struct({
      texts: Schema.Array(Schema.Array(Schema.Int)),
      written: Schema.Array(Schema.Int),
      logits: Logits,
      padded: Logits
    })
  )
)

/** Largest difference of a logit: both compute with float32, in another order. */
const tolerance = 1e-4

const steps = 64

const asTexts = [...nastyTexts, ...randomTexts(300)]

const wordsOf = (options: SplittingOptions) => tokenizerJson({ pattern: bytePairSplitting(options)!.pattern })

/** Tokenizers besides the usual one. */
const tokenizers: ReadonlyArray<readonly [name: string, json: object]> = [
  ["single digits", wordsOf({ singleDigits: true, wholeIndentation: false })],
  ["whole indentation", wordsOf({ singleDigits: true, wholeIndentation: true })],
  ["words", wordLevelJson(["static", "int", "main", "(", " ", "  ", "\n", ")", "é", "12345"])]
]

describe.skipIf(!allowed)(`@huggingface/transformers${hint}`, () => {
  it.live(
    "encodes alike, writes the same greedy tokens with its cache, and gives the same logits",
    () =>
      Effect.gen(function* () {
        const root = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "trainyard-onnx-"))),
          (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
        )
        const small = yield* Effect.forEach(families, ([name, , model], index) =>
          Effect.map(makeFolder(join(root, `${index}`), model), (loaded) => [name, loaded] as const)
        )
        const others = yield* Effect.forEach(tokenizers, ([name, json], index) =>
          Effect.map(
            makeFolder(join(root, `tokenizer-${index}`), families[0]![2], json),
            (loaded) => [name, loaded] as const
          )
        )
        const large = yield* Effect.forEach(trained, (folder) =>
          Effect.map(Model.load(folder), (loaded) => [basename(folder), loaded] as const)
        )
        const asked = yield* Effect.forEach([...small, ...others, ...large], ([name, loaded], index) => {
          const folder = join(root, "exported", `${index}`)
          return Effect.as(exportOnnx(loaded, folder), { name, loaded, folder })
        })
        const requests = join(root, "requests.json")
        const output = join(root, "results.json")
        writeFileSync(
          requests,
          JSON.stringify(
            asked.map(({ folder }) => ({ folder, prompt: "static int main(", steps, texts: asTexts }))
          )
        )
        const script = fileURLToPath(new URL("../transformers.mjs", import.meta.url))
        const reader = install("transformers", packages, true)
        const ran = spawnSync(process.execPath, [script, reader, requests, output], { encoding: "utf8" })
        assert.strictEqual(ran.status, 0, ran.stderr)
        const computed = yield* Schema.decodeUnknownEffect(Computed)(readFileSync(output, "utf8"))
        for (const [index, { loaded, name }] of asked.entries()) {
          const { logits, padded, texts, written } = computed[index]!
          for (const [at, text] of asTexts.entries()) {
            const label = `${name}: ${JSON.stringify(text)}`
            // It takes a special token in a text for the token itself, whatever the text is.
            if (!text.includes("<|endoftext|>"))
              assert.deepStrictEqual(texts[at], [...(yield* loaded.codec.encode(text))], label)
          }
          const own = yield* logitsOf(loaded, written.slice(0, -1))
          const largest = Math.max(
            largestDifference(logits, own),
            largestDifference(padded, own.slice(0, padded.length))
          )
          console.log(`${name}: logits differ by at most ${largest.toPrecision(2)}`)
          assert.isAtMost(largest, tolerance, name)
          assert.deepStrictEqual(own.map(likeliest).slice(-steps), written.slice(-steps), name)
        }
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    600_000
  )
})
