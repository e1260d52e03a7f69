/** How splitting a corpus fails. */
import { Schema } from "effect"

/** The corpus is too small to split: one document for two splits, or a split with less than two tokens. The message names the fix. */
export class ImpossibleSplit extends Schema.TaggedError<ImpossibleSplit>()("ImpossibleSplit", {
  message: Schema.String
}) {}
