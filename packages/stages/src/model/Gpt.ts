/** The config of GPT-2's family, and a few shapes with names. */
import { Effect, Schema } from "effect"

const positive = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))

/** Everything about the model that the vocabulary and the sequence length do not say. */
export const GptConfig = Schema.Struct({
  /** Model family: GPT-2's. */
  family: Schema.optionalKey(Schema.Literal("gpt")),
  /** Width of the model (embedding size). */
  embedding: positive,
  /** Transformer blocks. */
  layers: positive,
  /** Attention heads of each block. Must divide `embedding`. */
  heads: positive,
  /** Whether linear layers and layer norms have biases, as in GPT-2. */
  bias: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(true))),
  /** Dropout probability after the embedding and after each sub-layer, while training. */
  dropout: Schema.Finite.pipe(
    Schema.check(Schema.isGreaterThanOrEqualTo(0), Schema.isLessThan(1)),
    Schema.withDecodingDefaultKey(Effect.succeed(0))
  )
})
export type GptConfig = typeof GptConfig.Type
export type GptShape = typeof GptConfig.Encoded

/** About 0.4 million parameters beside the vocabulary. */
export const tiny: GptShape = { embedding: 128, layers: 2, heads: 4 }
/** The reference model: 5.7 million parameters with a vocabulary of 10,000. */
export const small: GptShape = { embedding: 256, layers: 4, heads: 8 }
/** About 10.6 million parameters beside the vocabulary. */
export const medium: GptShape = { embedding: 384, layers: 6, heads: 6 }
