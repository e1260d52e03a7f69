/** The settings of the train stage. */
import { Effect, Schema } from "effect"
import { ModelConfig } from "../model/ModelConfig.ts"
import { FaultPolicy } from "./FaultPolicy.ts"
import { notNegative, part, positive, positiveInt, share, wholeNumber } from "./numbers.ts"
import { optimizerFields } from "./OptimizerConfig.ts"

/** Fields of the train stage's config. */
export const fields = {
  /**
   * The model: `Gpt.small`, `Qwen.small`, or a family's settings. Leave it out with `from`, or give the same sizes and another `dropout`.
   * @defaultValue that of `from`
   */
  model: Schema.optionalKey(ModelConfig),
  /**
   * Passes over the training split, including those of a run given as `from`. Give `epochs` or `steps`, not both.
   * @defaultValue 1, without `steps`
   */
  epochs: Schema.optionalKey(positive),
  /**
   * Optimizer steps, including those of a run given as `from`.
   * @defaultValue from `epochs`
   * @unit steps
   */
  steps: Schema.optionalKey(positiveInt),
  /**
   * Context length of the model, published as `n_positions`: training cuts the splits into windows of this length. The context length of a
   * run given as `from` cannot be changed; that of a model can be shortened.
   * @defaultValue that of `from`; 128 for a new model
   * @unit tokens
   */
  sequenceLength: Schema.optionalKey(positiveInt),
  /**
   * Short windows first: up to the share `until` of `decaySteps`, each row of a batch is cut into windows of a shorter `sequenceLength`, which
   * must divide that of the run. Every step reads as many tokens as without it. For models whose positions are computed (rotary), not learned.
   */
  contextSchedule: Schema.Array(Schema.Struct({ until: share, sequenceLength: positiveInt })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed([]))
  ),
  /**
   * How the training split becomes windows. `stream` cuts it every `sequenceLength` tokens, wherever that is. `documents` packs whole documents
   * into windows, cuts those that are longer at an offset that is drawn anew each epoch, and leaves a little padding.
   */
  windows: Schema.Literals(["stream", "documents"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("stream" as const))
  ),
  /**
   * Whether attention stays within documents while training: a token then sees its own document and the end token before it, as in
   * `validate`. The first token of a document is still predicted, from that end token.
   * @defaultValue `true` with `windows: "documents"`, where the model's family has such a mask
   */
  documentMask: Schema.optionalKey(Schema.Boolean),
  /**
   * Share of the training documents that are rearranged, with the middle at the end, so that the model learns to fill in the middle: 0.5 is
   * usual. Each document in each window is drawn anew in each epoch, and so are its cuts, at lines and characters. Needs a tokenizer with
   * `fillInTheMiddle`. The validation and the test split stay plain text. A teacher should have been trained so too.
   * @defaultValue 0
   */
  fillInTheMiddle: Schema.optionalKey(share),
  /**
   * Sequences of `sequenceLength` tokens in a batch.
   * @unit sequences
   */
  batchSize: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(8))),
  /**
   * Batches whose gradients are summed for one optimizer step.
   * @unit batches
   */
  gradientAccumulationSteps: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  ...optimizerFields,
  /**
   * Exponential moving average (EMA) of the weights over about this many steps. The average is evaluated, sampled and published in
   * place of the last weights. 0 turns it off.
   * @unit steps
   */
  emaSteps: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
  /**
   * Plain average of the weights over this last share of `decaySteps`, of up to 32 evenly spread steps. Evaluated, sampled and published in
   * place of the last weights as soon as it begins. 0 turns it off. Give `averageLast` or `emaSteps`, not both.
   */
  averageLast: share.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
  /**
   * Distillation from the input `teacher`, another run or model: its predictions are mixed with the text. A teacher of the same size and data is
   * self-distillation.
   * @defaultValue `{ weight: 0.45, temperature: 1.2 }`, with `teacher`
   */
  distill: Schema.optionalKey(
    Schema.Struct({
      /** Share of the teacher's predictions in the loss; the text has the rest. */
      weight: part.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.45))),
      /** By which the logits of both models are divided in that share. */
      temperature: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1.2)))
    })
  ),
  /**
   * Temperature scaling: each evaluation fits one number, by which all logits are divided, on a part of the validation split. The
   * published model includes it.
   */
  calibrate: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))),
  /**
   * Steps between evaluations on the validation split. The last step is always evaluated.
   * @unit steps
   */
  evaluateEvery: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(200))),
  /**
   * Tokens of the validation split that an evaluation measures, in windows that are evenly spread over its documents and cut as in `validate`.
   * @unit tokens
   */
  evaluationTokens: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(50_000))),
  /**
   * Early stopping: training ends after this many evaluations without a new best.
   * @defaultValue no early stopping
   * @unit evaluations
   */
  patience: Schema.optionalKey(positiveInt),
  /**
   * Steps between samples. 0 turns samples off.
   * @unit steps
   */
  sampleEvery: wholeNumber.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
  /**
   * Prompts of the samples.
   * @defaultValue those of the language of most of the data set's text; the empty prompt elsewhere
   */
  prompts: Schema.optionalKey(Schema.Array(Schema.String)),
  /**
   * Length of a sample.
   * @unit tokens
   */
  sampleTokens: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(48))),
  /** Sampling temperature. 0 always takes the most likely token. */
  sampleTemperature: notNegative.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.8))),
  /** When to save a checkpoint: after so many steps or seconds, whichever comes first. A new best is always saved. */
  checkpointEvery: Schema.Struct({
    /**
     * Steps between checkpoints. A rollback returns to one of these.
     * @defaultValue not by steps
     * @unit steps
     */
    steps: Schema.optionalKey(positiveInt),
    /**
     * Time between checkpoints.
     * @defaultValue not by time
     * @unit seconds
     */
    seconds: Schema.optionalKey(positive)
  }).pipe(Schema.withDecodingDefaultKey(Effect.succeed({ steps: 500, seconds: 60 }))),
  /** Checkpoints kept beside the best one. */
  keepLast: positiveInt.pipe(Schema.withDecodingDefaultKey(Effect.succeed(2))),
  /**
   * How a new model's weights begin: at random, or `induction`, at random but for an induction head in the first two layers: the model then
   * goes on from the first step as the text did after the same token before. For Qwen's family with QK-norm and tied output.
   */
  initialization: Schema.Literals(["random", "induction"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("random" as const))
  ),
  /** Seed of the initial weights, the batch order and dropout. */
  seed: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  /** What to do when something goes wrong. */
  faults: FaultPolicy.pipe(Schema.withDecodingDefaultKey(Effect.succeed({})))
} as const

/** Keys that say how to work and not what to make. */
export const excludeFromCacheKey = [
  "sampleEvery",
  "prompts",
  "sampleTokens",
  "sampleTemperature",
  "checkpointEvery",
  "keepLast"
] as const

export const TrainConfig = Schema.Struct(fields)
export type TrainConfig = typeof TrainConfig.Type
