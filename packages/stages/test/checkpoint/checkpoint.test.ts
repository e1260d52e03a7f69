import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { checkpoint } from "../../src/checkpoint/checkpoint.ts"
import * as Model from "../../src/generate/Model.ts"
import { decode } from "../../src/tensors/Safetensors.ts"
import {
  endTokenId,
  type Heard,
  place,
  publishModel,
  publishRun,
  runTraining,
  sequenceLength,
  services,
  settings,
  vocabularySize
} from "../train/laboratory.ts"

const provided = Effect.provide(services({ events: [] }))

/** A safetensors file read by the format's own words and nothing of ours. */
const independently = (file: string) => {
  const bytes = readFileSync(file)
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString("utf8"))
  return (name: string) => {
    const { data_offsets, dtype, shape } = header[name]
    assert.strictEqual(dtype, "F32")
    const values: Array<number> = []
    for (let at = data_offsets[0]; at < data_offsets[1]; at += 4)
      values.push(bytes.readFloatLE(8 + length + at))
    return { shape, values }
  }
}

describe("checkpoint", () => {
  it("declares that it uses an engine", () => {
    assert.isTrue(checkpoint.usesBackend)
  })

  it.live("publishes what GPT2LMHeadModel.from_pretrained needs", () =>
    Effect.gen(function* () {
      const at = yield* place
      const { directory } = yield* publishModel(at)
      assert.deepStrictEqual(readdirSync(directory).sort(), [
        "README.md",
        "config.json",
        "curve.jsonl",
        "curve.svg",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json"
      ])
      const json = (name: string) => JSON.parse(readFileSync(join(directory, name), "utf8"))
      assert.deepStrictEqual(json("config.json"), {
        architectures: ["GPT2LMHeadModel"],
        model_type: "gpt2",
        activation_function: "gelu_new",
        attn_pdrop: 0,
        bos_token_id: endTokenId,
        dtype: "float32",
        embd_pdrop: 0,
        eos_token_id: endTokenId,
        initializer_range: 0.02,
        layer_norm_epsilon: 1e-5,
        n_ctx: sequenceLength,
        n_embd: 8,
        n_head: 2,
        n_inner: null,
        n_layer: 1,
        n_positions: sequenceLength,
        reorder_and_upcast_attn: false,
        resid_pdrop: 0,
        scale_attn_by_inverse_layer_idx: false,
        scale_attn_weights: true,
        tie_word_embeddings: true,
        torch_dtype: "float32",
        use_cache: true,
        vocab_size: vocabularySize
      })
      assert.deepStrictEqual(json("generation_config.json"), {
        bos_token_id: endTokenId,
        eos_token_id: endTokenId,
        pad_token_id: endTokenId
      })
      assert.strictEqual(json("tokenizer_config.json").model_max_length, sequenceLength)
      assert.deepInclude(json("tokenizer_config.json"), {
        eos_token: "<|endoftext|>",
        pad_token: "<|endoftext|>",
        // Others make transformers 4 add an embedding to every position.
        model_input_names: ["input_ids", "attention_mask"]
      })

      const bytes = readFileSync(join(directory, "model.safetensors"))
      const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString())
      assert.strictEqual(header.__metadata__.format, "pt")
      const block = "transformer.h.0"
      assert.deepStrictEqual(
        Object.entries<{ shape: ReadonlyArray<number> }>(header)
          .filter(([name]) => name !== "__metadata__")
          .map(([name, { shape }]) => [name, shape.join()]),
        [
          ["transformer.wte.weight", "24,8"],
          ["transformer.wpe.weight", "8,8"],
          [`${block}.ln_1.weight`, "8"],
          [`${block}.ln_1.bias`, "8"],
          [`${block}.attn.c_attn.weight`, "8,24"],
          [`${block}.attn.c_attn.bias`, "24"],
          [`${block}.attn.c_proj.weight`, "8,8"],
          [`${block}.attn.c_proj.bias`, "8"],
          [`${block}.ln_2.weight`, "8"],
          [`${block}.ln_2.bias`, "8"],
          [`${block}.mlp.c_fc.weight`, "8,32"],
          [`${block}.mlp.c_fc.bias`, "32"],
          [`${block}.mlp.c_proj.weight`, "32,8"],
          [`${block}.mlp.c_proj.bias`, "8"],
          ["transformer.ln_f.weight", "8"],
          ["transformer.ln_f.bias", "8"]
        ]
      )
      // Conv1D's layout: column o of the file is row o of ours.
      const published = independently(join(directory, "model.safetensors"))(`${block}.mlp.c_fc.weight`)
      const own = (yield* decode(
        readFileSync(join(at.output, "best", "parameters.safetensors")),
        "own"
      )).tensors.get(`${block}.mlp.c_fc.weight`)!
      for (let input = 0; input < 8; input++)
        for (let output = 0; output < 32; output++)
          assert.strictEqual(published.values[input * 32 + output], own.values[output * 8 + input])
    }).pipe(Effect.scoped, provided)
  )

  it.live("checks that the folder computes what was trained, with and without biases", () =>
    Effect.gen(function* () {
      for (const bias of [true, false]) {
        const at = yield* place
        const { directory, value } = yield* publishModel(at, {
          ...settings,
          model: { ...settings.model, bias }
        })
        assert.isAtMost(value.logitDifference!, 1e-6)
        const model = yield* Model.load(directory)
        assert.strictEqual(model.spec.vocabularySize, vocabularySize)
      }
    }).pipe(Effect.scoped, provided)
  )

  it.live("publishes the best state, or the last when asked", () =>
    Effect.gen(function* () {
      const at = yield* place
      const value = yield* runTraining(at, {
        ...settings,
        steps: 40,
        learningRate: 0.5,
        minLearningRate: 0.5,
        evaluateEvery: 4
      })
      assert.isBelow(value.bestStep, 40)
      const best = yield* publishRun(at, value, "best", {})
      const last = yield* publishRun(at, value, "last", { state: "last" })
      assert.strictEqual(best.provenance?.step, value.bestStep)
      assert.strictEqual(best.provenance?.validationLoss, value.bestValidationLoss)
      assert.strictEqual(last.provenance?.step, 40)
      assert.strictEqual(last.provenance?.validationLoss, value.lastValidationLoss)
    }).pipe(Effect.scoped, provided)
  )

  it.live("writes a card with the data, the figures and the curve", () =>
    Effect.gen(function* () {
      const at = yield* place
      const heard: Heard = { events: [] }
      const { directory, run } = yield* publishModel(at, settings, heard)
      const card = readFileSync(join(directory, "README.md"), "utf8")
      assert.match(card, /^---\nlanguage: code\nlibrary_name: transformers\n/)
      assert.include(card, "1,144 parameters")
      assert.include(card, run.bestValidationLoss.toFixed(4))
      assert.include(card, "folder:test")
      assert.include(card, "| Training | 4 | 200 | 600 |")
      assert.include(card, "| Test | 1 | 30 | 90 |")
      assert.include(card, "tokens of the validation split: documents that the model was not trained on")
      assert.include(card, "![Loss curve](curve.svg)")
      assert.match(readFileSync(join(directory, "curve.svg"), "utf8"), /^<svg/)
    }).pipe(Effect.scoped, provided)
  )

  it.live("takes its tokenizer from the run, and puts the provenance into the weights' metadata", () =>
    Effect.gen(function* () {
      const at = yield* place
      const { directory, run, value } = yield* publishModel(at)
      assert.strictEqual(run.tokenizer, at.dataset.value.tokenizer)
      assert.strictEqual(value.tokenizer, at.dataset.value.tokenizer)
      assert.deepStrictEqual(
        readFileSync(join(directory, "tokenizer.json")),
        readFileSync(join(at.dataset.directory, "tokenizer.json"))
      )
      const { provenance, tokenizer } = yield* Model.load(directory)
      assert.strictEqual(tokenizer, at.dataset.value.tokenizer)
      assert.deepStrictEqual(provenance, {
        tokenizer: at.dataset.value.tokenizer,
        state: "best",
        step: run.bestStep,
        validationLoss: run.bestValidationLoss,
        trainedOn: at.dataset.value.train
      })
      assert.deepStrictEqual(value.provenance, provenance)
    }).pipe(Effect.scoped, provided)
  )

  it.live("refuses a tokenizer of the same size that the run was not trained with", () =>
    Effect.gen(function* () {
      const at = yield* place
      const value = yield* runTraining(at, settings)
      const file = join(at.output, "tokenizer.json")
      const json = JSON.parse(readFileSync(file, "utf8"))
      const { w3, w4 } = json.model.vocab
      Object.assign(json.model.vocab, { w3: w4, w4: w3 })
      writeFileSync(file, JSON.stringify(json))
      const error = yield* Effect.flip(publishRun(at, value, "a", {}))
      assert.strictEqual(error._tag, "TokenizerMismatch")
      assert.match(error.message, /is not the one that what lies beside it was made with/)
    }).pipe(Effect.scoped, provided)
  )

  it.live(
    "writes other formats beside it, and refuses one that the tokenizer has no form in before it writes",
    () =>
      Effect.gen(function* () {
        const at = yield* place
        const value = yield* runTraining(at, settings)
        yield* publishRun(at, value, "with-onnx", { onnx: true })
        const folder = join(at.root, "with-onnx")
        assert.deepStrictEqual(readdirSync(join(folder, "onnx")), ["model.onnx"])
        assert.include(readFileSync(join(folder, "config.json"), "utf8"), "transformers.js_config")
        yield* Model.load(folder)
        const error = yield* Effect.flip(publishRun(at, value, "refused", { gguf: ["f16"] }))
        assert.match(
          error.message,
          /tokenizer\.json cannot be written into a GGUF file: it is a word-level one/
        )
        assert.deepStrictEqual(readdirSync(join(at.root, "refused")), [])
      }).pipe(Effect.scoped, provided)
  )

  it.live("refuses a damaged state, in words", () =>
    Effect.gen(function* () {
      const at = yield* place
      const value = yield* runTraining(at, settings)
      const file = join(at.output, "best", "parameters.safetensors")
      const bytes = readFileSync(file)
      bytes[bytes.length - 10]! ^= 1
      writeFileSync(file, bytes)
      const damaged = yield* Effect.flip(publishRun(at, value, "b", {}))
      assert.match(damaged.message, /parameters\.safetensors is not what was written/)
    }).pipe(Effect.scoped, provided)
  )
})
