/**
 * Stages that other processes make: where this service is given, the runner plans as ever, and hands each stage that must be made to it instead
 * of running the stage itself. The artifact comes to this run's store.
 */
import { Context, type Effect, Schema } from "effect"
import type { RunStream } from "../events/EventStream.ts"
import type { PlannedStage } from "../graph/Plan.ts"

/** A stage failed in another process, which says how. */
export class RemoteFailure extends Schema.TaggedError<RemoteFailure>()("RemoteFailure", {
  /** The error's tag there. */
  error: Schema.String,
  message: Schema.String,
  details: Schema.NullOr(Schema.String)
}) {}

/** A stage that is to be made. */
export interface Order {
  readonly stage: PlannedStage
  readonly pipeline: string
  readonly run: string
  /** Whether another stage of the run has failed: an order that nobody has taken yet is then taken back. */
  readonly halted: Effect.Effect<boolean>
  /** Done when another process begins with the stage: what it waited before is not part of what the stage took. */
  readonly onBegin: Effect.Effect<void>
}

export interface Executor {
  /**
   * Has a stage made. Its events come in order through the run's stream. Succeeds once the artifact is in the store; "taken back" when it was
   * not begun because another stage failed. When interrupted, it ends once what was at work has been saved.
   */
  readonly make: (order: Order) => Effect.Effect<"ran" | "cached" | "taken back", RemoteFailure, RunStream>
}

/** Undefined where the runner runs the stages itself. */
export const RemoteExecutor: Context.Reference<Executor | undefined> = Context.Reference<
  Executor | undefined
>("@trainyard/core/RemoteExecutor", { defaultValue: () => undefined })
