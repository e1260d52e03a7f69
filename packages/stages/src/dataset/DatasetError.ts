/** How making and reading a dataset fails. */
import { Schema } from "effect"

/** The corpus is too small to split: one document for two splits, or a split with less than two tokens. The message names the fix. */
export class ImpossibleSplit extends Schema.TaggedError<ImpossibleSplit>()("ImpossibleSplit", {
  message: Schema.String
}) {}

/** A dataset folder whose files are missing, cut off or do not fit together. */
export class DamagedDataset extends Schema.TaggedError<DamagedDataset>()("DamagedDataset", {
  file: Schema.String,
  message: Schema.String
}) {}
