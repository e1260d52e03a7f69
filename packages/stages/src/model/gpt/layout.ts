/**
 * The layout of Hugging Face's `GPT2LMHeadModel`.
 *
 * Names are the same. Linear weights are [in, out] there (`Conv1D`) and [out, in] here. There every layer has biases; a model
 * without them is written with zeros. The output layer is tied to `transformer.wte.weight` and not written twice.
 */
import { Effect, Schema } from "effect"
import type { Layout, Sized } from "../Family.ts"
import type { GptConfig } from "../Gpt.ts"
import { parameters } from "./parameters.ts"

/** config.json. Attention weights are never dropped here, so attn_pdrop is 0. */
const configJson = (spec: Sized<GptConfig>, endTokenId: number) => ({
  architectures: ["GPT2LMHeadModel"],
  model_type: "gpt2",
  activation_function: "gelu_new",
  attn_pdrop: 0,
  bos_token_id: endTokenId,
  dtype: "float32",
  embd_pdrop: spec.model.dropout,
  eos_token_id: endTokenId,
  initializer_range: 0.02,
  layer_norm_epsilon: 1e-5,
  n_ctx: spec.sequenceLength,
  n_embd: spec.model.embedding,
  n_head: spec.model.heads,
  n_inner: null,
  n_layer: spec.model.layers,
  n_positions: spec.sequenceLength,
  reorder_and_upcast_attn: false,
  resid_pdrop: spec.model.dropout,
  scale_attn_by_inverse_layer_idx: false,
  scale_attn_weights: true,
  tie_word_embeddings: true,
  torch_dtype: "float32",
  use_cache: true,
  vocab_size: spec.vocabularySize
})

const positive = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))

/** What of config.json must be so for the programs here to compute the same. Everything else is ignored. */
const ReadableConfig = Schema.Struct({
  model_type: Schema.Literal("gpt2"),
  activation_function: Schema.Literal("gelu_new").pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("gelu_new" as const))
  ),
  layer_norm_epsilon: Schema.optionalKey(Schema.Literal(1e-5)),
  scale_attn_weights: Schema.optionalKey(Schema.Literal(true)),
  scale_attn_by_inverse_layer_idx: Schema.optionalKey(Schema.Literal(false)),
  tie_word_embeddings: Schema.optionalKey(Schema.Literal(true)),
  n_embd: positive,
  n_head: positive,
  // Far above any model; a hostile number would make a list that long.
  n_layer: positive.pipe(Schema.check(Schema.isLessThanOrEqualTo(10_000))),
  n_positions: positive,
  vocab_size: positive,
  eos_token_id: Schema.Int,
  resid_pdrop: Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0)))
})
const decode = Schema.decodeUnknownEffect(ReadableConfig)

export const layout: Layout<GptConfig> = {
  className: () => "GPT2LMHeadModel",
  modelType: () => "gpt2",
  prefix: "transformer.",
  published: (spec) =>
    parameters({ ...spec, model: { ...spec.model, bias: true } }).map(({ hiddenMatrices, name, shape }) => ({
      name,
      shape,
      transposed: hiddenMatrices > 0
    })),
  configJson,
  readConfig: (json) =>
    Effect.map(decode(json), (config) => ({
      spec: {
        model: {
          embedding: config.n_embd,
          layers: config.n_layer,
          heads: config.n_head,
          bias: true,
          dropout: Math.min(Math.max(config.resid_pdrop, 0), 0.99)
        },
        vocabularySize: config.vocab_size,
        sequenceLength: config.n_positions
      },
      endTokenId: config.eos_token_id
    }))
}
