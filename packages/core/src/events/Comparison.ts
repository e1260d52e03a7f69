/** What a run tells of nodes that differ in their settings alone, such as those of a sweep. */
import { Schema } from "effect"

/** A figure by which artifacts of one kind are compared. */
export interface Metric {
  /** As in a table's head: `bits per byte`. */
  readonly label: string
  /** Null where it could not be measured. */
  readonly value: number | null
  /** Which values are better; absent for a figure that is only shown. */
  readonly better?: "lower" | "higher"
}

/** A table: one row for each trial, the best first. A trial is a node, with the nodes that only it leads to. */
export const Comparison = Schema.Struct({
  /** The stages of a trial, in their order: `train`, `checkpoint`, `validate`. */
  stages: Schema.Array(Schema.String),
  /** The settings in which the trials differ, as `train.learningRate`. */
  settings: Schema.Array(Schema.String),
  metrics: Schema.Array(Schema.String),
  /** The metric that ranks them; null where no kind of artifact declares one. */
  rankedBy: Schema.NullOr(Schema.String),
  rows: Schema.Array(
    Schema.Struct({
      /** 1 is the best; null for a trial without that metric. */
      rank: Schema.NullOr(Schema.Int),
      /** Names of its nodes, one for each of `stages`. */
      nodes: Schema.Array(Schema.String),
      /** By setting; absent where its config does not have it. */
      settings: Schema.Record(Schema.String, Schema.Unknown),
      metrics: Schema.Record(Schema.String, Schema.NullOr(Schema.Finite)),
      /** Seconds that its artifacts took to make, in this run or an earlier one. */
      seconds: Schema.Finite
    })
  )
})
export type Comparison = typeof Comparison.Type
