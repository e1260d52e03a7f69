/** Why a model cannot be written in another format. */
import { Schema } from "effect"

/** The format has no form for this model, its tokenizer or its weights. */
export class ExportImpossible extends Schema.TaggedError<ExportImpossible>()("ExportImpossible", {
  message: Schema.String
}) {}
