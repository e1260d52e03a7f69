/**
 * How the model families lie in GGUF files: the architecture that computes the same in llama.cpp, its settings, its tensors.
 *
 * Sources: llama.cpp's `src/llama-arch.cpp` (names), `src/models/gpt2.cpp`, `qwen3.cpp` and `llama.cpp` (what each computes).
 */
import type { Sized } from "../../model/Family.ts"
import type { Spec } from "../../model/families.ts"
import type { GptConfig } from "../../model/Gpt.ts"
import { names as gptNames } from "../../model/gpt/parameters.ts"
import type { QwenConfig } from "../../model/Qwen.ts"
import { names as qwenNames } from "../../model/qwen/parameters.ts"
import { widthsOf } from "../../model/qwen/widths.ts"
import { float32, type Metadata, uint32 } from "./GgufFile.ts"

/** A tensor of the file, by the parameter that it holds. */
export interface Placed {
  readonly name: string
  readonly parameter: string
  /** It is written as float32 whatever the type of the others. */
  readonly exact?: boolean
  /** The parameter's rows in the order of the file; as they are where it is absent. */
  readonly arrange?: (values: Float32Array) => Float32Array
}

export interface GgufLayout {
  readonly architecture: string
  /** Settings of the architecture. */
  readonly settings: Metadata
  readonly tensors: ReadonlyArray<Placed>
}

/** Settings that every architecture has. `feedForward` is the width of the MLP's hidden layer. */
const shared = (architecture: string, { model, sequenceLength, vocabularySize }: Spec, feedForward: number) =>
  [
    [`${architecture}.context_length`, uint32(sequenceLength)],
    [`${architecture}.embedding_length`, uint32(model.embedding)],
    [`${architecture}.block_count`, uint32(model.layers)],
    [`${architecture}.feed_forward_length`, uint32(feedForward)],
    [`${architecture}.attention.head_count`, uint32(model.heads)],
    [`${architecture}.vocab_size`, uint32(vocabularySize)]
  ] as const

/**
 * GPT-2. llama.cpp needs every bias, which a published folder has. The output layer is the embedding: the file has no second copy. The
 * positions are added to float32 numbers, so they stay float32.
 */
const gpt = (spec: Sized<GptConfig>): GgufLayout => {
  const both = (name: string, parameter: string): ReadonlyArray<Placed> => [
    { name: `${name}.weight`, parameter: `${parameter}.weight` },
    { name: `${name}.bias`, parameter: `${parameter}.bias` }
  ]
  return {
    architecture: "gpt2",
    settings: [
      ...shared("gpt2", spec, 4 * spec.model.embedding),
      ["gpt2.attention.layer_norm_epsilon", float32(1e-5)]
    ],
    tensors: [
      { name: "token_embd.weight", parameter: gptNames.table },
      { name: "position_embd.weight", parameter: gptNames.positions, exact: true },
      ...Array.from({ length: spec.model.layers }, (_, index) => {
        const layer = gptNames.layer(index)
        const block = `blk.${index}`
        return [
          ...both(`${block}.attn_norm`, layer.attentionNorm),
          ...both(`${block}.attn_qkv`, layer.attentionInput),
          ...both(`${block}.attn_output`, layer.attentionOutput),
          ...both(`${block}.ffn_norm`, layer.mlpNorm),
          ...both(`${block}.ffn_up`, layer.mlpInput),
          ...both(`${block}.ffn_down`, layer.mlpOutput)
        ]
      }).flat(),
      ...both("output_norm", gptNames.finalNorm)
    ]
  }
}

/**
 * Rows of queries or keys for llama.cpp's `llama`, whose rotary pairs are neighbours: element d of a head and d + width/2 become 2d and
 * 2d + 1. Its `qwen3` pairs as we do.
 */
const neighbours =
  (headWidth: number) =>
  (values: Float32Array, columns: number): Float32Array => {
    const result = new Float32Array(values.length)
    const half = headWidth / 2
    for (let row = 0; row < values.length / columns; row++) {
      const within = row % headWidth
      const to = row - within + 2 * (within % half) + Math.floor(within / half)
      result.set(values.subarray(row * columns, (row + 1) * columns), to * columns)
    }
    return result
  }

/** Qwen3, or Llama where QK-norm is off. */
const qwen = (spec: Sized<QwenConfig>): GgufLayout => {
  const { epsilon, layers, qkNorm, theta, tied } = spec.model
  const { headWidth, hidden, keyValueHeads } = widthsOf(spec.model)
  const architecture = qkNorm ? "qwen3" : "llama"
  const pairs = neighbours(headWidth)
  const turned = qkNorm ? {} : { arrange: (values: Float32Array) => pairs(values, spec.model.embedding) }
  return {
    architecture,
    settings: [
      ...shared(architecture, spec, hidden),
      [`${architecture}.attention.head_count_kv`, uint32(keyValueHeads)],
      [`${architecture}.attention.key_length`, uint32(headWidth)],
      [`${architecture}.attention.value_length`, uint32(headWidth)],
      [`${architecture}.attention.layer_norm_rms_epsilon`, float32(epsilon)],
      [`${architecture}.rope.dimension_count`, uint32(headWidth)],
      [`${architecture}.rope.freq_base`, float32(theta)]
    ],
    tensors: [
      { name: "token_embd.weight", parameter: qwenNames.table },
      ...Array.from({ length: layers }, (_, index): ReadonlyArray<Placed> => {
        const layer = qwenNames.layer(index)
        const block = `blk.${index}`
        return [
          { name: `${block}.attn_norm.weight`, parameter: layer.attentionNorm },
          { name: `${block}.attn_q.weight`, parameter: layer.query, ...turned },
          { name: `${block}.attn_k.weight`, parameter: layer.key, ...turned },
          { name: `${block}.attn_v.weight`, parameter: layer.value },
          ...(qkNorm
            ? [
                { name: `${block}.attn_q_norm.weight`, parameter: layer.queryNorm },
                { name: `${block}.attn_k_norm.weight`, parameter: layer.keyNorm }
              ]
            : []),
          { name: `${block}.attn_output.weight`, parameter: layer.attentionOutput },
          { name: `${block}.ffn_norm.weight`, parameter: layer.mlpNorm },
          { name: `${block}.ffn_gate.weight`, parameter: layer.gate },
          { name: `${block}.ffn_up.weight`, parameter: layer.up },
          { name: `${block}.ffn_down.weight`, parameter: layer.mlpOutput }
        ]
      }).flat(),
      { name: "output_norm.weight", parameter: qwenNames.finalNorm },
      ...(tied ? [] : [{ name: "output.weight", parameter: qwenNames.output }])
    ]
  }
}

/** The layout of a model. */
export const layoutOf = (spec: Spec): GgufLayout =>
  spec.model.family === "qwen" ? qwen({ ...spec, model: spec.model }) : gpt({ ...spec, model: spec.model })
