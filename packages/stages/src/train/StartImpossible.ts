/** Why training cannot start from a run or a model, or learn from a teacher. */
import { Schema } from "effect"

/** The run or the model cannot be used, with this dataset and these settings. */
export class StartImpossible extends Schema.TaggedError<StartImpossible>()("StartImpossible", {
  message: Schema.String
}) {}
