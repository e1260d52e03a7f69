/** Why a model cannot be validated. */
import { Schema } from "effect"

/** The model or the dataset is not what validation needs. */
export class ValidationImpossible extends Schema.TaggedError<ValidationImpossible>()("ValidationImpossible", {
  message: Schema.String
}) {}
