/** Whether a model and a dataset speak of the same tokens. */
import type { Artifact } from "@trainyard/core/Artifact"
import { Effect } from "effect"
import type { Dataset } from "../dataset/Dataset.ts"
import type { Loaded } from "../generate/Model.ts"
import { ValidationImpossible } from "./ValidationError.ts"

/** Fails when the ids of one mean other tokens to the other. */
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
