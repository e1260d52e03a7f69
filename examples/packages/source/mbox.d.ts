import type { SourceOf } from "@trainyard/stages/Source"
import type { Schema } from "effect"

/** The messages of an mbox file, one document each. */
export const mbox: SourceOf<{
  readonly file: typeof Schema.NonEmptyString
  readonly licence: Schema.optionalKey<typeof Schema.String>
}>
