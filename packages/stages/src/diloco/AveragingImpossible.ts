import { Schema } from "effect"

/** Replicas that cannot be averaged, or an average that cannot be trained from. */
export class AveragingImpossible extends Schema.TaggedError<AveragingImpossible>()("AveragingImpossible", {
  message: Schema.String
}) {}
