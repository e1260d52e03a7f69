/** A stage's voice: what it publishes here becomes part of the run's event stream. */
import { Context, type Effect } from "effect"
import type { StageEvent } from "../events/RunEvent.ts"

/** Asked for by a stage's Effect; the runner provides it and adds run, stage and time. */
export class Journal extends Context.Service<
  Journal,
  {
    /** Adds an event to the stream. Never fails and never waits for a reader. */
    readonly publish: (event: StageEvent) => Effect.Effect<void>
  }
>()("@trainyard/core/Journal") {}
