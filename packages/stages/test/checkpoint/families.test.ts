/**
 * A model of each family, published: what is in the folder, that it is loaded, trained further and generated from, and that Hugging Face's
 * transformers computes the same logits where a Python with torch and transformers is present: `python3`, or those that TRAINYARD_TEST_PYTHON
 * names, separated by colons.
 */
import { spawnSync } from "node:child_process"
import { cpSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { engine } from "@trainyard/backends/reference/engine"
import { Effect, Schema, Stream } from "effect"
import { importModel } from "../../src/checkpoint/importModel.ts"
import * as Completion from "../../src/generate/Completion.ts"
import * as Model from "../../src/generate/Model.ts"
import { classNameOf } from "../../src/model/huggingFace.ts"
import type { ModelShape } from "../../src/model/ModelConfig.ts"
import { generate, Ports, tensorsOf } from "../../src/model/Programs.ts"
import * as Running from "../runStage.ts"
import { place, publishModel, runTraining, type Settings, services, settings } from "../train/laboratory.ts"

const qwen = { family: "qwen", embedding: 8, layers: 2, heads: 4, keyValueHeads: 2, hidden: 12 } as const

const families: ReadonlyArray<readonly [name: string, className: string, title: string, model: ModelShape]> =
  [
    ["GPT-2", "GPT2LMHeadModel", "GPT-2", { embedding: 8, layers: 2, heads: 2 }],
    ["GPT-2 without biases", "GPT2LMHeadModel", "GPT-2", { embedding: 8, layers: 2, heads: 2, bias: false }],
    ["Qwen3", "Qwen3ForCausalLM", "Qwen3", qwen],
    [
      "Qwen3 with an output layer of its own and wide heads",
      "Qwen3ForCausalLM",
      "Qwen3",
      { ...qwen, tied: false, headWidth: 6, theta: 500, epsilon: 1e-4, dropout: { mlp: 0.1 } }
    ],
    ["Llama", "LlamaForCausalLM", "Llama", { ...qwen, qkNorm: false }]
  ]

const quick: Settings = { ...settings, steps: 6, evaluateEvery: 6, calibrate: true, checkpointEvery: {} }

const version = 'import importlib.metadata as m; m.version("torch"); print(m.version("transformers"))'
const pythons = ["python3", ...(process.env.TRAINYARD_TEST_PYTHON ?? "").split(":")]
  .filter((python) => python !== "")
  .map((python) => ({
    python,
    version: spawnSync(python, ["-c", version], { encoding: "utf8" }).stdout?.trim() ?? ""
  }))
const script = fileURLToPath(new URL("./logits.py", import.meta.url))

const Computed = Schema.fromJsonString(
  Schema.Array(
    Schema.Struct({
      model: Schema.String,
      missing: Schema.Array(Schema.String),
      unexpected: Schema.Array(Schema.String),
      logits: Schema.Array(Schema.Array(Schema.Finite)),
      written: Schema.Array(Schema.Int)
    })
  )
)

const ids = [3, 9, 17, 20, 1, 1, 23]

/** Logits [T, V] that the programs here compute from a folder. */
const logitsOf = Effect.fnUntraced(function* ({ parameters, spec }: Model.Loaded) {
  const program = generate(spec, ids.length)
  const session = yield* engine.open(tensorsOf([program]), { threads: 1, precision: "f32" })
  for (const { name, read } of parameters) yield* session.write(name, yield* read)
  const outputs = yield* (yield* session.prepare(program)).run({
    [Ports.tokens]: Int32Array.from(ids),
    [Ports.offset]: new Int32Array(1)
  })
  return outputs[Ports.logits]!
}, Effect.scoped)

describe("a published model of each family", () => {
  for (const [name, className, title, model] of families) {
    it.live(`${name}: the folder names its class, the card its family`, () =>
      Effect.gen(function* () {
        const { directory, value } = yield* publishModel(yield* place, { ...quick, model })
        const config = JSON.parse(readFileSync(join(directory, "config.json"), "utf8"))
        assert.deepStrictEqual(config.architectures, [className])
        assert.strictEqual(classNameOf(value.model), className)
        assert.isAtMost(value.logitDifference ?? 1, 1e-5)
        const card = readFileSync(join(directory, "README.md"), "utf8")
        assert.include(card, `of the ${title} family`)
        assert.include(card, `${className}.from_pretrained(".")`)
      }).pipe(Effect.scoped)
    )

    it.live(`${name}: goes on past its context, and the same seed gives the same text`, () =>
      Effect.gen(function* () {
        const { directory } = yield* publishModel(yield* place, { ...quick, model })
        const opened = yield* Model.open(yield* Model.load(directory))
        const made = Effect.fnUntraced(function* (seed: number) {
          return yield* Stream.runCollect(
            Completion.tokens(opened.generator, [3, 5, 7], { maxTokens: 40, temperature: 1, seed })
          )
        })
        const first = yield* made(1)
        // Five times the context of 8.
        assert.strictEqual(first.length, 40)
        assert.deepStrictEqual(yield* made(1), first)
        assert.notDeepEqual(yield* made(2), first)
      }).pipe(Effect.scoped, Effect.provide(services({ events: [] })))
    )

    it.live(`${name}: importModel keeps it, and train goes on with its weights`, () =>
      Effect.gen(function* () {
        const at = yield* place
        const { directory, value } = yield* publishModel(at, { ...quick, model })
        const folder = join(at.root, "elsewhere")
        cpSync(directory, folder, { recursive: true })
        const { artifact } = yield* Running.runStage(importModel({ folder }))
        assert.deepStrictEqual(
          readFileSync(join(artifact.directory, "config.json"), "utf8"),
          readFileSync(join(directory, "config.json"), "utf8")
        )
        const next = yield* place
        const from = { ...artifact, value: { ...artifact.value, model: value.model } }
        const { model: _, ...further } = { ...quick, calibrate: false }
        const run = yield* runTraining({ ...next, dataset: at.dataset, from }, further as Settings).pipe(
          Effect.provide(services({ events: [] }))
        )
        assert.deepStrictEqual(run.model, value.model)
        assert.strictEqual(run.startedFrom?.fromScratch, false)
      }).pipe(Effect.scoped, Effect.provide(Running.layer))
    )
  }
})

describe("transformers", () => {
  for (const major of ["4", "5"]) {
    const found = pythons.find((each) => each.version.startsWith(`${major}.`))
    const name =
      found === undefined ? "no Python with it and torch here, see TRAINYARD_TEST_PYTHON" : found.version
    it.live.skipIf(found === undefined)(
      `${major} (${name}) computes the same logits as the programs here, for every family`,
      () =>
        Effect.gen(function* () {
          const published = yield* Effect.forEach(families, ([, , , model]) =>
            Effect.map(
              Effect.flatMap(place, (at) => publishModel(at, { ...quick, model })),
              ({ directory }) => ({
                directory,
                saved: `${directory}-saved`
              })
            )
          )
          const asked = spawnSync(found!.python, [script], {
            encoding: "utf8",
            input: JSON.stringify({
              ids,
              folders: published.map(({ directory, saved }) => [directory, saved])
            }),
            env: { ...process.env, HF_HUB_OFFLINE: "1" }
          })
          assert.strictEqual(asked.status, 0, asked.stderr)
          const computed = yield* Schema.decodeUnknownEffect(Computed)(asked.stdout.trim().split("\n").at(-1))
          for (const [index, { directory, saved }] of published.entries()) {
            const [name, className] = families[index]!
            const { logits, missing, model, unexpected, written } = computed[index]!
            assert.strictEqual(model, className)
            assert.deepStrictEqual([...missing, ...unexpected], [], name)
            const loaded = yield* Model.load(directory)
            const own = yield* logitsOf(loaded)
            for (const [at, logit] of logits.flat().entries()) assert.closeTo(own[at]!, logit, 1e-4, name)
            const { generator } = yield* Model.open(loaded)
            const options = { maxTokens: 4, temperature: 0, seed: 1 }
            assert.deepStrictEqual(
              written,
              yield* Stream.runCollect(Completion.tokens(generator, ids.slice(0, 3), options))
            )
            // What transformers saves is read here, and computes the same.
            for (const file of ["tokenizer.json", "tokenizer_config.json"])
              cpSync(join(directory, file), join(saved, file))
            const again = yield* logitsOf(yield* Model.load(saved))
            for (const [at, logit] of own.entries()) assert.closeTo(again[at]!, logit, 1e-6, name)
          }
        }).pipe(Effect.scoped, Effect.provide(services({ events: [] }))),
      120_000
    )
  }
})
