import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Sized } from "../../../src/model/Family.ts"
import { sizesOf } from "../../../src/model/families.ts"
import { configJson, readConfig } from "../../../src/model/huggingFace.ts"
import type { QwenConfig } from "../../../src/model/Qwen.ts"

const spec: Sized<QwenConfig> = {
  model: {
    family: "qwen",
    embedding: 12,
    layers: 2,
    heads: 4,
    keyValueHeads: 2,
    headWidth: 4,
    hidden: 10,
    qkNorm: true,
    tied: false,
    theta: 500,
    epsilon: 1e-5,
    dropout: 0
  },
  vocabularySize: 17,
  sequenceLength: 6
}

const read = (config: Readonly<Record<string, unknown>>) => readConfig(JSON.stringify(config))

describe("config.json of Qwen3's family", () => {
  for (const qkNorm of [true, false])
    it.effect(`is read as it was written, ${qkNorm ? "with" : "without"} QK-norm`, () =>
      Effect.gen(function* () {
        const own = { ...spec, model: { ...spec.model, qkNorm } }
        assert.deepStrictEqual(yield* read(configJson(own, 16)), { spec: own, endTokenId: 16 })
      })
    )

  it.effect(
    "is read from both places of rope_theta, with a list of end tokens, and without what has defaults",
    () =>
      Effect.gen(function* () {
        const { rope_parameters, rope_theta, ...config } = configJson(spec, 16)
        assert.strictEqual(sizesOf((yield* read({ ...config, rope_theta })).spec.model), sizesOf(spec.model))
        assert.strictEqual(
          sizesOf((yield* read({ ...config, rope_parameters })).spec.model),
          sizesOf(spec.model)
        )
        assert.include(sizesOf((yield* read(config)).spec.model), "theta 10000")
        assert.strictEqual((yield* read({ ...config, eos_token_id: [5, 6] })).endTokenId, 5)
        const { head_dim, num_key_value_heads, rms_norm_eps, tie_word_embeddings, ...least } = config
        assert.include(
          sizesOf((yield* read({ ...least, model_type: "llama" })).spec.model),
          "heads 4, keyValueHeads 4, headWidth 3, hidden 10, qkNorm false, tied false, theta 10000, epsilon 0.000001"
        )
      })
  )

  it.effect("is refused where the programs here would compute something else", () =>
    Effect.gen(function* () {
      const config = configJson(spec, 16)
      for (const change of [
        { model_type: "qwen2" },
        { attention_bias: true },
        { hidden_act: "gelu" },
        { use_sliding_window: true },
        { rope_scaling: { rope_type: "yarn", factor: 4 } },
        { rope_parameters: { rope_type: "llama3", rope_theta: 10_000 } },
        { num_hidden_layers: 1e9 }
      ]) {
        const error = yield* Effect.flip(read({ ...config, ...change }))
        assert.include(error.message, Object.keys(change)[0]!)
      }
    })
  )
})
