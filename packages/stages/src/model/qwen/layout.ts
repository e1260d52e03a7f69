/**
 * The layout of Hugging Face's `Qwen3ForCausalLM`, and of `LlamaForCausalLM` for models without QK-norm. Names, shapes and the order of a
 * head's numbers (rotary pairs are element d and d + D/2) are the same there. Dropout is not part of it.
 */
import { Effect, Schema } from "effect"
import type { Layout, Sized } from "../Family.ts"
import type { QwenConfig } from "../Qwen.ts"
import { parameters } from "./parameters.ts"
import { widthsOf } from "./widths.ts"

/** What config.json has of both classes. */
const shared = ({ model, sequenceLength, vocabularySize }: Sized<QwenConfig>, endTokenId: number) => {
  const { headWidth, hidden, keyValueHeads } = widthsOf(model)
  return {
    attention_bias: false,
    attention_dropout: 0,
    bos_token_id: endTokenId,
    dtype: "float32",
    eos_token_id: endTokenId,
    head_dim: headWidth,
    hidden_act: "silu",
    hidden_size: model.embedding,
    initializer_range: 0.02,
    intermediate_size: hidden,
    max_position_embeddings: sequenceLength,
    num_attention_heads: model.heads,
    num_hidden_layers: model.layers,
    num_key_value_heads: keyValueHeads,
    pad_token_id: endTokenId,
    rms_norm_eps: model.epsilon,
    // Versions before 5 read `rope_theta`, later ones `rope_parameters`.
    rope_parameters: { rope_theta: model.theta, rope_type: "default" },
    rope_theta: model.theta,
    tie_word_embeddings: model.tied,
    torch_dtype: "float32",
    use_cache: true,
    vocab_size: vocabularySize
  }
}

const className = ({ qkNorm }: QwenConfig): string => (qkNorm ? "Qwen3ForCausalLM" : "LlamaForCausalLM")

const modelType = ({ qkNorm }: QwenConfig): string => (qkNorm ? "qwen3" : "llama")

const configJson = (spec: Sized<QwenConfig>, endTokenId: number) => ({
  architectures: [className(spec.model)],
  model_type: modelType(spec.model),
  ...(spec.model.qkNorm
    ? {
        layer_types: Array.from({ length: spec.model.layers }, () => "full_attention"),
        max_window_layers: spec.model.layers,
        sliding_window: null,
        use_sliding_window: false
      }
    : { mlp_bias: false, pretraining_tp: 1 }),
  ...shared(spec, endTokenId)
})

const positive = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))
const above0 = Schema.Finite.pipe(Schema.check(Schema.isGreaterThan(0)))
const absentOrNull = Schema.optionalKey(Schema.Null)
const absentOrFalse = Schema.optionalKey(Schema.Literal(false))
const defaulting = <S extends Schema.Top>(schema: S, value: S["Type"]) =>
  schema.pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(value)))

/** What of config.json must be so for the programs here to compute the same. Everything else is ignored. */
const ReadableConfig = Schema.Struct({
  model_type: Schema.Literals(["qwen3", "llama"]),
  hidden_act: Schema.optionalKey(Schema.Literal("silu")),
  attention_bias: absentOrFalse,
  mlp_bias: absentOrFalse,
  use_sliding_window: absentOrFalse,
  rope_scaling: absentOrNull,
  rope_theta: Schema.optionalKey(above0),
  rope_parameters: Schema.optionalKey(
    Schema.NullOr(
      Schema.Struct({
        rope_theta: Schema.optionalKey(above0),
        rope_type: Schema.optionalKey(Schema.Literal("default")),
        partial_rotary_factor: Schema.optionalKey(Schema.Literal(1))
      })
    )
  ),
  hidden_size: positive,
  intermediate_size: positive,
  num_attention_heads: positive,
  num_key_value_heads: Schema.optionalKey(Schema.NullOr(positive)),
  head_dim: Schema.optionalKey(Schema.NullOr(positive)),
  // Far above any model; a hostile number would make a list that long.
  num_hidden_layers: positive.pipe(Schema.check(Schema.isLessThanOrEqualTo(10_000))),
  max_position_embeddings: positive,
  rms_norm_eps: defaulting(above0, 1e-6),
  tie_word_embeddings: defaulting(Schema.Boolean, false),
  vocab_size: positive,
  eos_token_id: Schema.Union([Schema.Int, Schema.NonEmptyArray(Schema.Int)])
})
const decode = Schema.decodeUnknownEffect(ReadableConfig)

const modelOf = (config: typeof ReadableConfig.Type): QwenConfig => ({
  family: "qwen",
  embedding: config.hidden_size,
  layers: config.num_hidden_layers,
  heads: config.num_attention_heads,
  keyValueHeads: config.num_key_value_heads ?? config.num_attention_heads,
  headWidth: config.head_dim ?? config.hidden_size / config.num_attention_heads,
  hidden: config.intermediate_size,
  qkNorm: config.model_type === "qwen3",
  tied: config.tie_word_embeddings,
  theta: config.rope_parameters?.rope_theta ?? config.rope_theta ?? 10_000,
  epsilon: config.rms_norm_eps,
  dropout: 0
})

export const layout: Layout<QwenConfig> = {
  className,
  modelType,
  prefix: "model.",
  published: (spec) => parameters(spec).map(({ name, shape }) => ({ name, shape, transposed: false })),
  configJson,
  readConfig: (json) =>
    Effect.map(decode(json), (config) => ({
      spec: {
        model: modelOf(config),
        vocabularySize: config.vocab_size,
        sequenceLength: config.max_position_embeddings
      },
      endTokenId: typeof config.eos_token_id === "number" ? config.eos_token_id : config.eos_token_id[0]
    }))
}
