/**
 * The artifact of training: the best and the last state, and the curve.
 *
 * Files: `best/` and `last/`, each a checkpoint folder (see `CheckpointFolder`); `curve.jsonl`, one training step or evaluation a
 * line; `tokenizer.json` and `tokenizer_config.json`, those of the dataset.
 */
import * as Artifact from "@trainyard/core/Artifact"
import { Schema } from "effect"
import { Counts } from "../dataset/Dataset.ts"
import { ModelConfig } from "../model/ModelConfig.ts"

/** Name of the file of a state that holds the average of its weights, where one was kept. */
export const averageFile = "average.safetensors"

/** Name of the file of a state that holds the weights to evaluate and publish. */
export const weightsFile = (files: ReadonlyMap<string, unknown>): string =>
  files.has(averageFile) ? averageFile : "parameters.safetensors"

/** One point of `curve.jsonl`. Losses in nats per token; `validationLoss` only where it was measured. */
export const CurvePoint = Schema.Struct({
  step: Schema.Int,
  loss: Schema.NullOr(Schema.Finite),
  validationLoss: Schema.optionalKey(Schema.Finite),
  learningRate: Schema.Finite,
  gradientNorm: Schema.NullOr(Schema.Finite)
})
export type CurvePoint = typeof CurvePoint.Type

export const TrainedRun = Artifact.kind({
  name: "trained-run",
  version: 3,
  view: () => import("./view.ts"),
  value: Schema.Struct({
    /** Digest of the tokenizer behind its tokens, whose files lie in the folder. */
    tokenizer: Schema.String,
    model: ModelConfig,
    vocabularySize: Schema.Int,
    sequenceLength: Schema.Int,
    parameters: Schema.Int,
    engine: Schema.String,
    precision: Schema.String,
    threads: Schema.Int,
    /** Those of the run that it continued included, as in `epochs`, `tokensSeen` and `seconds`. */
    steps: Schema.Int,
    epochs: Schema.Finite,
    tokensSeen: Schema.Int,
    /** Validation tokens that each evaluation measured. */
    evaluationTokens: Schema.Int,
    bestStep: Schema.Int,
    /** By which the weights of each state want their logits divided; 1 unless training calibrated. */
    temperature: Schema.Struct({ best: Schema.Finite, last: Schema.Finite }),
    bestValidationLoss: Schema.Finite,
    lastValidationLoss: Schema.Finite,
    lastTrainLoss: Schema.Finite,
    /** What training began from; absent where it began with drawn weights. `step` is the run's or the model's own, null where it is not known. */
    startedFrom: Schema.optionalKey(
      Schema.Struct({
        kind: Schema.Literals(["trained-run", "model"]),
        cacheKey: Schema.String,
        step: Schema.NullOr(Schema.Int),
        /** Whether the first of the runs that led here began with drawn weights. */
        fromScratch: Schema.Boolean
      })
    ),
    /** Why training ended: the planned steps were done, or patience ran out. */
    stopped: Schema.Literals(["finished", "patience"]),
    /** Time spent training, over all attempts. */
    seconds: Schema.Finite,
    tokensPerSecond: Schema.Finite,
    /** What it learned from, and what it did not. */
    data: Schema.Struct({
      train: Counts,
      validation: Counts,
      /** Set apart, and not looked at in training; absent where the dataset has none. */
      test: Schema.optionalKey(Counts),
      /** Where the documents came from, largest share first. */
      origins: Schema.Array(Schema.Struct({ origin: Schema.String, documents: Schema.Int }))
    }),
    /** How it learned. */
    learning: Schema.Struct({
      windows: Schema.Literals(["stream", "documents"]),
      documentMask: Schema.Boolean,
      /** Share of the training documents that were rearranged to fill in the middle; absent where none were. */
      fillInTheMiddle: Schema.optionalKey(Schema.Finite),
      /** Whose predictions were mixed with the text. */
      teacher: Schema.optionalKey(
        Schema.Struct({ cacheKey: Schema.String, weight: Schema.Finite, temperature: Schema.Finite })
      ),
      /** Replicas that trained side by side, where there were several: each learned in the way that is described here (`diloco`). */
      replicas: Schema.optionalKey(
        Schema.Struct({
          count: Schema.Int,
          /** Steps of each between two averages. */
          localSteps: Schema.Int,
          outerLearningRate: Schema.Finite,
          outerMomentum: Schema.Finite
        })
      ),
      optimizer: Schema.Literals(["adamw", "muon"]),
      /** Of the hidden layers' matrices, where Muon updated them. */
      muon: Schema.optionalKey(
        Schema.Struct({
          learningRate: Schema.Finite,
          momentum: Schema.Finite,
          weightDecay: Schema.Finite
        })
      ),
      /** Windows shorter than `sequenceLength`, up to which step. */
      contexts: Schema.Array(Schema.Struct({ lastStep: Schema.Int, sequenceLength: Schema.Int })),
      batchSize: Schema.Int,
      gradientAccumulationSteps: Schema.Int,
      learningRate: Schema.Finite,
      minLearningRate: Schema.Finite,
      warmUp: Schema.Int,
      schedule: Schema.Literals(["cosine", "linear"]),
      /** Last step before the learning rate fell, and the last in which it did. */
      decayFrom: Schema.Int,
      decaySteps: Schema.Int,
      weightDecay: Schema.Finite,
      beta1: Schema.Finite,
      beta2: Schema.Finite,
      gradientClip: Schema.Finite,
      emaSteps: Schema.Int,
      averageLast: Schema.Finite,
      seed: Schema.Int
    })
  }),
  metrics: ({ bestStep, bestValidationLoss, tokensPerSecond }) => [
    { label: "best validation loss", value: bestValidationLoss, better: "lower" },
    { label: "best step", value: bestStep },
    { label: "tokens/s", value: Math.round(tokensPerSecond) }
  ]
})
