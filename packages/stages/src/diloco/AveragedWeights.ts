/**
 * The artifact of an average of replicas: the weights from which each of them goes on.
 *
 * Files, all float32: `parameters.safetensors`; `momentum.safetensors`, that of the outer optimizer; `best.safetensors`, the weights of the round
 * with the lowest validation loss, where that is an earlier one; `curve.jsonl`, the mean of the replicas' curves with the averages' validation
 * losses. The weights of round 0 are those before training and come alone.
 */
import * as Artifact from "@trainyard/core/Artifact"
import { Schema } from "effect"
import { ModelConfig } from "../model/ModelConfig.ts"

export const parametersFile = "parameters.safetensors"
export const momentumFile = "momentum.safetensors"
export const bestFile = "best.safetensors"
export const curveFile = "curve.jsonl"

export const AveragedWeights = Artifact.kind({
  name: "averaged-weights",
  version: 1,
  value: Schema.Struct({
    /** Rounds so far. */
    round: Schema.Int,
    /** Steps of each replica so far. */
    steps: Schema.Int,
    model: ModelConfig,
    vocabularySize: Schema.Int,
    sequenceLength: Schema.Int,
    /** The model whose weights those before training were; absent where they were drawn. */
    startedFrom: Schema.optionalKey(
      Schema.Struct({ cacheKey: Schema.String, step: Schema.NullOr(Schema.Int) })
    ),
    /** By which the logits were divided in the evaluation. */
    temperature: Schema.Finite,
    /** Nats per token; null before the first evaluation, and where it was not finite. */
    validationLoss: Schema.NullOr(Schema.Finite),
    best: Schema.NullOr(
      Schema.Struct({ round: Schema.Int, step: Schema.Int, loss: Schema.Finite, temperature: Schema.Finite })
    ),
    /** Time spent training, the sum over the replicas. */
    seconds: Schema.Finite
  })
})
