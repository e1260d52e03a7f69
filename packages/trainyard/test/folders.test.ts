/** Folders given by hand: what the command line knows of them is what they say themselves, and nothing is made up. */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import * as Published from "@trainyard/core/Published"
import * as RunLog from "@trainyard/core/RunLog"
import * as Store from "@trainyard/core/Store"
import { Dataset } from "@trainyard/stages/dataset/Dataset"
import { Model } from "@trainyard/stages/generate/ModelArtifact"
import { TokenizerArtifact } from "@trainyard/stages/tokenize/TokenizerArtifact"
import { TrainedRun } from "@trainyard/stages/train/TrainedRun"
import { Context, Effect, Layer } from "effect"
import { make, type Specimens } from "./malformed/specimens.ts"
import { emptyFolder } from "./spawn.ts"

class Made extends Context.Service<Made, Specimens>()("@trainyard/cli/test/folders/Made") {}

const made = Layer.effect(
  Made,
  Effect.suspend(() => make(emptyFolder()))
).pipe(Layer.provideMerge(NodeServices.layer))

/** The folder as somebody would copy it: without the store's manifest. */
const copied = (folder: string): string => {
  const copy = join(emptyFolder(), "copy")
  cpSync(folder, copy, { recursive: true })
  rmSync(join(copy, "manifest.json"))
  return copy
}

/** Writes model.safetensors anew with the metadata that another program would write. */
const rewrite = (folder: string): void => {
  const file = join(folder, "model.safetensors")
  const bytes = readFileSync(file)
  const end = 8 + Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.subarray(8, end).toString("utf8"))
  const text = JSON.stringify({ ...header, __metadata__: { format: "pt" } })
  const changed = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(changed.length))
  writeFileSync(file, Buffer.concat([length, changed, bytes.subarray(end)]))
}

layer(made, { timeout: 60_000 })("folders given by hand", (it) => {
  it.effect("one digest of the tokenizer goes through all artifacts of a pipeline", () =>
    Effect.gen(function* () {
      const folders = yield* Made
      const { value } = yield* Store.open(TokenizerArtifact, folders.tokenizer)
      const dataset = yield* Store.open(Dataset, folders.dataset)
      const run = yield* Store.open(TrainedRun, folders.training)
      const model = yield* Store.open(Model, folders.model)
      assert.match(value.digest, /^[0-9a-f]{64}$/)
      assert.deepStrictEqual(
        [dataset.value.tokenizer, run.value.tokenizer, model.value.tokenizer],
        [value.digest, value.digest, value.digest]
      )
      assert.deepStrictEqual(model.value.provenance?.trainedOn, dataset.value.train)
    })
  )

  it.effect("a run publishes each fact of a stage once", () =>
    Effect.gen(function* () {
      const { run } = yield* Made
      const facts = (yield* RunLog.read(run)).flatMap(({ event }) =>
        event.type === "Stage" && event.event.type === "Facts"
          ? event.event.facts.map(({ label }) => `${event.stage}: ${label}`)
          : []
      )
      assert.deepStrictEqual(facts, [...new Set(facts)])
      for (const fact of ["collect: documents", "train: Model", "train: Time", "checkpoint: State"])
        assert.include(facts, fact)
    })
  )

  it.effect("a copied model is known as its weights tell it", () =>
    Effect.gen(function* () {
      const folders = yield* Made
      const own = yield* Store.open(Model, folders.model)
      const { logitDifference: _, ...known } = own.value
      const copy = copied(folders.model)
      const { cacheKey, value } = yield* Published.open(Model, copy)
      // Published without biases, a model cannot be told from one that has them.
      assert.deepStrictEqual(value, { ...known, model: value.model, parameters: value.parameters })
      assert.strictEqual(value.provenance?.step, 2)
      rewrite(copy)
      const other = yield* Published.open(Model, copy)
      assert.notProperty(other.value, "provenance")
      assert.notStrictEqual(other.cacheKey, cacheKey)
    })
  )

  it.effect("a copied dataset is what it was, and another one when its list was changed", () =>
    Effect.gen(function* () {
      const folders = yield* Made
      const own = yield* Store.open(Dataset, folders.dataset)
      const copy = copied(folders.dataset)
      const { cacheKey, value } = yield* Published.open(Dataset, copy)
      assert.deepStrictEqual(value, own.value)
      const list = join(copy, "documents.jsonl")
      writeFileSync(list, readFileSync(list, "utf8").replace("file0.c", "file9.c"))
      assert.notStrictEqual((yield* Published.open(Dataset, copy)).cacheKey, cacheKey)
    })
  )
})
