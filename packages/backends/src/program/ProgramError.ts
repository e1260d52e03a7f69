/** A program that cannot be: thrown while one is being written, so that the mistake shows at the line that made it. */
import { Schema } from "effect"

export class ProgramError extends Schema.TaggedError<ProgramError>()("ProgramError", {
  program: Schema.String,
  why: Schema.String
}) {
  override get message() {
    return `Program ${this.program} cannot be built: ${this.why}`
  }
}
