/**
 * The config of Qwen3's family, and a few shapes with names: RMSNorm, rotary positions, SwiGLU, no biases, grouped-query attention, QK-norm.
 * Without QK-norm it is Llama's.
 */
import { Effect, Schema } from "effect"

const positive = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))
const above0 = Schema.Finite.pipe(Schema.check(Schema.isGreaterThan(0)))
const probability = Schema.Finite.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0), Schema.isLessThan(1)))
const orNone = probability.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0)))

/** Everything about the model that the vocabulary and the sequence length do not say. */
export const QwenConfig = Schema.Struct({
  /** Model family: Qwen3's, or Llama's without `qkNorm`. */
  family: Schema.Literal("qwen"),
  /** Width of the model (embedding size). */
  embedding: positive,
  /** Transformer blocks. */
  layers: positive,
  /** Attention heads of each block. */
  heads: positive,
  /**
   * Heads of keys and values, each shared by the same number of query heads (grouped-query attention). Must divide `heads`.
   * @defaultValue `heads`
   */
  keyValueHeads: Schema.optionalKey(positive),
  /**
   * Width of a head. Must be even.
   * @defaultValue `embedding` / `heads`
   */
  headWidth: Schema.optionalKey(positive),
  /**
   * Width of the MLP's hidden layer.
   * @defaultValue 8/3 of `embedding`, rounded up to a multiple of 64
   */
  hidden: Schema.optionalKey(positive),
  /** RMSNorm on each head's queries and keys. */
  qkNorm: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(true))),
  /** Whether the output layer's weight is the embedding's. */
  tied: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(true))),
  /** Base of the rotary positions' wavelengths: the longest is 2π · `theta` tokens. */
  theta: above0.pipe(Schema.withDecodingDefaultKey(Effect.succeed(10_000))),
  /** Added to the mean square in RMSNorm. */
  epsilon: above0.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1e-6))),
  /** Dropout probability while training: one for all places, or `{ embedding, attention, mlp }`, each 0 where left out. */
  dropout: Schema.Union([
    probability,
    Schema.Struct({ embedding: orNone, attention: orNone, mlp: orNone })
  ]).pipe(Schema.withDecodingDefaultKey(Effect.succeed(0)))
})
export type QwenConfig = typeof QwenConfig.Type
export type QwenShape = typeof QwenConfig.Encoded

/** About 0.4 million parameters beside the vocabulary. Its narrow heads need a large `theta` for an induction head: see docs/recipe.md. */
export const tiny: QwenShape = {
  family: "qwen",
  embedding: 128,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  theta: 1_000_000
}
/** About 3.0 million parameters beside the vocabulary. */
export const small: QwenShape = { family: "qwen", embedding: 256, layers: 4, heads: 4, keyValueHeads: 2 }
/** About 9.4 million parameters beside the vocabulary. */
export const medium: QwenShape = { family: "qwen", embedding: 384, layers: 6, heads: 6, keyValueHeads: 2 }
