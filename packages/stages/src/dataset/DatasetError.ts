/** How making and reading a dataset fails. */
import { Schema } from "effect"

/** A tokenizer that was learned from documents by which the model is to be evaluated. */
export class ContaminatedTokenizer extends Schema.TaggedError<ContaminatedTokenizer>()(
  "ContaminatedTokenizer",
  {
    /** Validation and test documents that it was learned from. */
    documents: Schema.Int,
    message: Schema.String
  }
) {}

/** A dataset folder whose files are missing, cut off or do not fit together. */
export class DamagedDataset extends Schema.TaggedError<DamagedDataset>()("DamagedDataset", {
  file: Schema.String,
  message: Schema.String
}) {}
