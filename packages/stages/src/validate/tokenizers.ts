/** Whether a model and a dataset share a tokenizer. */
import type { Artifact } from "@trainyard/core/Artifact"
import { Effect } from "effect"
import type { Dataset } from "../dataset/Dataset.ts"
import type { Loaded } from "../generate/Model.ts"
import { ValidationImpossible } from "./ValidationError.ts"

/** Fails when token ids mean different tokens in the model and in the dataset. */
export const checkTokenizers = Effect.fn("validate.checkTokenizers")(function* (
  model: Loaded,
  dataset: Artifact<typeof Dataset>
) {
  const { vocabularySize } = model.spec
  if (vocabularySize !== dataset.value.vocabularySize) {
    return yield* new ValidationImpossible({
      message: `The model at ${model.directory} knows ${vocabularySize} tokens and the dataset at ${dataset.directory} was made with ${dataset.value.vocabularySize}. Validate a model against the dataset that was made with its tokenizer.`
    })
  }
  if (model.tokenizer !== dataset.value.tokenizer) {
    return yield* new ValidationImpossible({
      message: `The model at ${model.directory} and the dataset at ${dataset.directory} were made with different tokenizers. Validate a model against the dataset that was made with its tokenizer.`
    })
  }
})
