/** A parameter of a run as events and the status hold it. */
import { Schema } from "effect"

/** A parameter of a run: what it is, and its value. Values as they would be written in JSON. */
export const Parameter = Schema.Struct({
  name: Schema.String,
  /** In words: `number`, `integer (a value greater than 0)`, `"gpt" | "rnn"`, `list of string`. */
  type: Schema.String,
  /** The Schema's own `description`. */
  description: Schema.optionalKey(Schema.String),
  /** Absent where the Schema gives none. */
  default: Schema.optionalKey(Schema.Unknown),
  /** The value in force; absent for an optional one that was not given. */
  value: Schema.optionalKey(Schema.Unknown),
  /** Where the value came from: `default`, or what gave it, such as a flag or an environment variable; absent where there is no value. */
  from: Schema.optionalKey(Schema.String)
})
export type Parameter = typeof Parameter.Type
