import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { importModel } from "../../src/checkpoint/importModel.ts"
import * as Model from "../../src/generate/Model.ts"
import { decode } from "../../src/tensors/Safetensors.ts"
import { importTokenizer } from "../../src/tokenize/importTokenizer.ts"
import { layer, runStage } from "../runStage.ts"
import { type Place, place, publishModel, sibling } from "../train/laboratory.ts"
import { evaluations, listen, undisturbed } from "../train/trials.ts"
import { rewriteModel, type Type } from "./rewriteModel.ts"

const published = Effect.gen(function* () {
  const at = yield* place
  const { directory, value } = yield* publishModel(at)
  return { at, directory, value }
})

const weightsIn = (directory: string) =>
  Effect.map(
    decode(readFileSync(join(directory, "model.safetensors")), directory),
    ({ tensors }) => new Map([...tensors].map(([name, { values }]) => [name, values]))
  )

/** Largest difference between two models' weights, relative to each weight. */
const difference = Effect.fn("difference")(function* (a: string, b: string) {
  const [left, right] = [yield* weightsIn(a), yield* weightsIn(b)]
  assert.deepStrictEqual([...left.keys()], [...right.keys()])
  return [...left].reduce(
    (most, [name, values]) =>
      values.reduce(
        (largest, value, index) =>
          Math.max(largest, Math.abs(value - right.get(name)![index]!) / (Math.abs(value) + 1e-3)),
        most
      ),
    0
  )
})

const imported = (folder: string) => runStage(importModel({ folder }))

describe("import-model", () => {
  for (const prefixed of [true, false])
    for (const [type, allowed] of [
      ["F32", 0],
      ["F16", 0.06],
      ["BF16", 0.01]
    ] as ReadonlyArray<readonly [Type, number]>)
      it.live(`takes ${type} ${prefixed ? "with" : "without"} the prefix, and trains it further`, () =>
        Effect.gen(function* () {
          const { at, directory, value } = yield* published
          const folder = join(at.root, "rewritten")
          rewriteModel(directory, folder, { type, prefixed })
          const { artifact } = yield* imported(folder)
          assert.isAtMost(yield* difference(directory, artifact.directory), allowed)
          assert.strictEqual(artifact.value.tokenizer, value.tokenizer)
          assert.isUndefined(artifact.value.provenance)
          assert.strictEqual((yield* Model.load(artifact.directory)).spec.sequenceLength, 8)
          const next: Place = { ...sibling(at, "next"), from: artifact }
          const heard = listen()
          const run = yield* undisturbed(next, { steps: 2, learningRate: 1e-9, evaluateEvery: 2 }, heard)
          assert.strictEqual(run.startedFrom?.step, null)
          assert.closeTo(evaluations(heard)[0]!.loss!, value.provenance!.validationLoss, 0.05)
        }).pipe(Effect.scoped, Effect.provide(layer))
      )

  it.live("keeps the provenance in the weights", () =>
    Effect.gen(function* () {
      const { directory, value } = yield* published
      const { artifact } = yield* imported(directory)
      assert.deepStrictEqual(artifact.value.provenance, value.provenance)
      assert.strictEqual(yield* difference(directory, artifact.directory), 0)
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("the files, not their folder, decide the cache key", () =>
    Effect.gen(function* () {
      const { directory } = yield* published
      const node = importModel({ folder: directory })
      const key = node.externalDigest!({ folder: directory })
      const moved = `${directory}-moved`
      cpSync(directory, moved, { recursive: true })
      assert.deepStrictEqual(node.stage.excludeFromCacheKey, ["folder"])
      assert.strictEqual(yield* node.externalDigest!({ folder: moved }), yield* key)
      const before = yield* key
      const bytes = readFileSync(join(directory, "model.safetensors"))
      bytes[bytes.length - 1]! ^= 1
      writeFileSync(join(directory, "model.safetensors"), bytes)
      assert.notStrictEqual(yield* key, before)
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("names what is wrong with a folder that it cannot read, and the fix", () =>
    Effect.gen(function* () {
      const { at, directory } = yield* published
      const copy = (name: string, harm: (folder: string) => void) => {
        const folder = join(at.root, name)
        cpSync(directory, folder, { recursive: true })
        harm(folder)
        return folder
      }
      const to = (name: string) => (folder: string) =>
        renameSync(join(folder, "model.safetensors"), join(folder, name))
      const cases: ReadonlyArray<readonly [folder: string, message: RegExp]> = [
        [copy("pickled", to("pytorch_model.bin")), /pytorch_model\.bin.*not read here.*save_pretrained/],
        [copy("parts", to("model.safetensors.index.json")), /in several files.*max_shard_size/],
        [copy("empty", (folder) => rmSync(join(folder, "model.safetensors"))), /has no model\.safetensors/],
        [copy("bare", (folder) => rmSync(join(folder, "tokenizer.json"))), /has no tokenizer\.json/]
      ]
      for (const [folder, message] of cases)
        assert.match((yield* imported(folder).pipe(Effect.flip)).message, message)
      const folder = join(at.root, "spoilt")
      const corrupt = (name: string, values: Float32Array) =>
        name.endsWith("ln_f.bias") ? values.map((value, index) => (index === 3 ? Number.NaN : value)) : values
      rewriteModel(directory, folder, { type: "F32", prefixed: true, change: corrupt })
      assert.match(
        (yield* imported(folder).pipe(Effect.flip)).message,
        /number 3 of its tensor transformer\.ln_f\.bias is NaN/
      )
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
})

describe("import-tokenizer", () => {
  it.live("takes a tokenizer that was made elsewhere, with the same digest as its model's", () =>
    Effect.gen(function* () {
      const { at, directory, value } = yield* published
      const folder = join(at.root, "rewritten")
      rewriteModel(directory, folder, { type: "F32", prefixed: false })
      const { artifact } = yield* runStage(importTokenizer({ folder }))
      assert.strictEqual(artifact.value.digest, value.tokenizer)
      assert.strictEqual(artifact.value.model, "other")
      const settings = JSON.parse(readFileSync(join(artifact.directory, "tokenizer_config.json"), "utf8"))
      assert.strictEqual(settings.eos_token, "<|endoftext|>")
      const error = yield* runStage(importTokenizer({ folder: at.root })).pipe(Effect.flip)
      assert.match(error.message, /tokenizer\.json does not exist/)
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
})
