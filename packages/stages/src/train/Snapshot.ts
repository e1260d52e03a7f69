/** What a checkpoint is saved from, and what a save that failed says. */
import { Schema } from "effect"
import type * as Copies from "./Copies.ts"

/** One state to save. */
export interface Snapshot extends Copies.Copy {
  readonly step: number
  /** Step of the best evaluation so far, whose checkpoint is kept. */
  readonly bestStep: number | null
  /** Newest step that a rollback would return to, whose checkpoint is kept. */
  readonly rollbackStep: number | null
}

/** A checkpoint could not be saved, after all retries. */
export class CheckpointFailed extends Schema.TaggedError<CheckpointFailed>()("CheckpointFailed", {
  step: Schema.Int,
  directory: Schema.String,
  /** A sentence. */
  why: Schema.String
}) {
  override get message() {
    return `The checkpoint of step ${this.step} was not saved. ${this.why} Then run the same command again: training goes on from the last checkpoint.`
  }
}
