/** How making and reading a dataset fails. */
import { Schema } from "effect"

/** Settings that the corpus cannot meet: a sequence longer than a split, one document for two splits. The message names what would do. */
export class ImpossibleSplit extends Schema.TaggedError<ImpossibleSplit>()("ImpossibleSplit", {
  message: Schema.String
}) {}

/** A dataset folder whose files are missing, cut off or do not fit together. */
export class DamagedDataset extends Schema.TaggedError<DamagedDataset>()("DamagedDataset", {
  file: Schema.String,
  message: Schema.String
}) {}
