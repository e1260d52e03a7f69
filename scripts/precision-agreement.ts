/**
 * Whether a model writes the same in another precision: the share of prompts whose most likely text of so many tokens is the same as in the
 * first precision, on the native engine.
 *
 *     node scripts/with-node.mjs --conditions=trainyard-source scripts/precision-agreement.ts \
 *       --model DIR --texts DIR [--prompts 100] [--tokens 64] [--precisions f32,bf16,int8]
 *
 * Prompts are the 120 characters before evenly spaced line ends of the C files (.c, .h) under `--texts`.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { NodeServices } from "@effect/platform-node"
import { Precision } from "@trainyard/backends/Backend"
import { layer } from "@trainyard/backends/Engines"
import * as Model from "@trainyard/stages/generate/Model"
import { Effect, Schema } from "effect"

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    texts: { type: "string" },
    prompts: { type: "string", default: "100" },
    tokens: { type: "string", default: "64" },
    precisions: { type: "string", default: "f32,bf16,int8" }
  }
})
const { model: folder, texts } = values
if (folder === undefined || texts === undefined) {
  console.error("Give --model DIR, a published model folder, and --texts DIR, a folder with C files.")
  process.exit(2)
}
const precisions = Schema.decodeUnknownSync(Schema.Array(Precision))(values.precisions.split(","))

const files = readdirSync(texts, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.[ch]$/.test(name))
  .sort()
const text = files.map((name) => readFileSync(join(texts, name), "utf8")).join("\n")
const count = Number(values.prompts)
const prompts = Array.from({ length: count }, (_, index) => {
  const end = text.indexOf("\n", Math.floor(((index + 1) * text.length) / (count + 2)) + 120) + 1
  return text.slice(Math.max(0, end - 120), end)
})

const complete = (precision: Precision) =>
  Effect.gen(function* () {
    const opened = yield* Model.open(yield* Model.load(folder))
    return yield* Effect.forEach(prompts, (prompt) =>
      Model.complete(opened, prompt, {
        temperature: 0,
        maxTokens: Number(values.tokens),
        seed: 1,
        loopStop: false
      })
    )
  }).pipe(Effect.scoped, Effect.provide(layer({ backend: "native", precision, threads: 1 })))

await Effect.gen(function* () {
  const written = yield* Effect.forEach(precisions, complete)
  for (const [index, first] of precisions.entries())
    for (const [other, second] of precisions.entries()) {
      if (other <= index) continue
      const same = prompts.filter((_, at) => written[index]![at] === written[other]![at]).length
      console.log(
        `${second} writes as ${first} after ${same} of ${count} prompts (${((100 * same) / count).toFixed(1)} %)`
      )
    }
}).pipe(Effect.provide(NodeServices.layer), Effect.runPromise)
