/**
 * llama.cpp opens the GGUF files, by node-llama-cpp's prebuilt binary: the same token ids, the same greedy tokens, the same
 * log-probabilities within a tolerance. TRAINYARD_TEST_READERS allows to install it, TRAINYARD_TEST_MODELS names trained folders to open too.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { exportGguf } from "../../../src/export/gguf/exportGguf.ts"
import { type Type, types } from "../../../src/export/gguf/numbers.ts"
import * as Model from "../../../src/generate/Model.ts"
import {
  families,
  largestDifference,
  likeliest,
  logitsOf,
  logProbabilitiesOf,
  makeFolder,
  nastyTexts,
  randomTexts,
  tokenizerJson
} from "../folders.ts"
import { allowed, hint, install, trained } from "../readers.ts"

const version = "3.22.1"
const packages = {
  "node-llama-cpp": version,
  [`@node-llama-cpp/${process.platform === "darwin" ? "mac-arm64-metal" : `linux-${process.arch}`}`]: version
}

const Computed = Schema.fromJsonString(
  Schema.Array(
    Schema.Struct({
      texts: Schema.Array(Schema.Array(Schema.Int)),
      eos: Schema.Int,
      shouldPrependBosToken: Schema.Boolean,
      infill: Schema.Array(Schema.NullOr(Schema.Int)),
      trainContextSize: Schema.Int,
      written: Schema.Array(Schema.Int),
      logProbabilities: Schema.Array(Schema.Array(Schema.Finite))
    })
  )
)

/**
 * Largest difference of a log-probability. llama.cpp computes with float32 sums in another order, and GPT-2's GELU by a table of float16;
 * the other types round the weights, Q8_0 also what is multiplied with them.
 */
const tolerance: Readonly<Record<Type, number>> = { f32: 0.01, f16: 0.05, bf16: 0.3, q8_0: 1 }

const steps = 64

const asTexts = [...nastyTexts, ...randomTexts(300)]

describe.skipIf(!allowed)(`llama.cpp${hint}`, () => {
  it.live(
    "encodes alike, writes the same greedy tokens, and gives the same log-probabilities",
    () =>
      Effect.gen(function* () {
        const root = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "trainyard-llama-"))),
          (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
        )
        const small = yield* Effect.forEach(families, ([name, , model], index) =>
          Effect.map(
            makeFolder(join(root, String(index)), model, tokenizerJson({ infilling: true })),
            (loaded) => [name, loaded] as const
          )
        )
        const large = yield* Effect.forEach(trained, (folder) =>
          Effect.map(Model.load(folder), (loaded) => [basename(folder), loaded] as const)
        )
        const models = [...small, ...large]
        const asked = yield* Effect.forEach(
          models.flatMap(([name, loaded], index) => types.map((type) => ({ name, loaded, type, index }))),
          ({ index, loaded, name, type }) =>
            Effect.map(exportGguf(loaded, join(root, `${index}-${type}.gguf`), type), ({ file }) => ({
              ...{ name, loaded, type, file, prompt: "static int main(", steps },
              texts: asTexts
            }))
        )
        const requests = join(root, "requests.json")
        const output = join(root, "results.json")
        writeFileSync(requests, JSON.stringify(asked.map(({ loaded: _, ...request }) => request)))
        const script = fileURLToPath(new URL("../llama.mjs", import.meta.url))
        const folder = install("llama", packages, false)
        const ran = spawnSync(process.execPath, [script, folder, requests, output], {
          encoding: "utf8"
        })
        assert.strictEqual(ran.status, 0, ran.stderr)
        const computed = yield* Schema.decodeUnknownEffect(Computed)(readFileSync(output, "utf8"))
        for (const [index, { loaded, name, type }] of asked.entries()) {
          const { codec, endTokenId, spec } = loaded
          const { eos, infill, shouldPrependBosToken, texts, trainContextSize, written, ...found } =
            computed[index]!
          const label = `${name}, ${type}`
          assert.deepStrictEqual([eos, shouldPrependBosToken], [endTokenId, false], label)
          assert.strictEqual(trainContextSize, spec.sequenceLength, label)
          if (index < small.length * types.length)
            assert.deepStrictEqual(infill, [endTokenId + 1, endTokenId + 2, endTokenId + 3], label)
          for (const [at, text] of asTexts.entries())
            assert.deepStrictEqual(
              texts[at],
              [...(yield* codec.encode(text))],
              `${label}: ${JSON.stringify(text)}`
            )
          const own = (yield* logitsOf(loaded, written.slice(0, -1))).map(logProbabilitiesOf)
          const largest = largestDifference(found.logProbabilities, own)
          console.log(`${label}: log-probabilities differ by at most ${largest.toPrecision(2)}`)
          assert.isAtMost(largest, tolerance[type], label)
          if (type === "f32")
            assert.deepStrictEqual(own.map(likeliest).slice(-steps), written.slice(-steps), label)
        }
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    600_000
  )
})
