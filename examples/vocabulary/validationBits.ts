/**
 * A stage that judges a vocabulary: bits per byte of the validation split for a trained run, which can be compared between vocabularies, as a
 * loss per token cannot. The test split is not read, so a choice by this figure leaves the final evaluation fair.
 */
import { Effect, Schema } from "effect"
import { Artifact, Dataset, Stage, TrainedRun } from "trainyard"

export const ValidationBits = Artifact.kind({
  name: "validation-bits",
  version: 1,
  value: Schema.Struct({
    bitsPerByte: Schema.Finite,
    bytesPerToken: Schema.Finite,
    vocabularySize: Schema.Int
  }),
  metrics: ({ bitsPerByte, bytesPerToken }) => [
    { label: "validation bits per byte", value: bitsPerByte, better: "lower" },
    { label: "bytes per token", value: bytesPerToken }
  ]
})

export const validationBits = Stage.make({
  name: "validation-bits",
  version: 1,
  source: import.meta.url,
  inputs: { run: TrainedRun, dataset: Dataset },
  config: {},
  output: ValidationBits,
  run: ({ inputs: { dataset, run } }) => {
    const { bytes, tokens } = dataset.value.validation
    // The loss is in nats per token.
    const bitsPerToken = run.value.bestValidationLoss / Math.LN2
    return Effect.succeed({
      bitsPerByte: (bitsPerToken * tokens) / bytes,
      bytesPerToken: bytes / tokens,
      vocabularySize: dataset.value.vocabularySize
    })
  }
})
