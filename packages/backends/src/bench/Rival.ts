/** Other frameworks beside the engines: they take their turns at the same task, in a process of their own. */
import type { Effect, Scope } from "effect"
import type { EngineFailure } from "../Backend.ts"
import type { Planned } from "./tasks.ts"

/** One framework at one task. `planned.engine` is its name. */
export interface Rival {
  readonly planned: Planned
  /** Starts it and warms it up; closed with the scope. */
  readonly open: Effect.Effect<Opponent, EngineFailure, Scope.Scope>
}

/** A framework that is ready to be measured. */
export interface Opponent {
  readonly version: string
  /** Milliseconds of each run of the task, for about so many seconds; at least one. */
  readonly turn: (seconds: number) => Effect.Effect<ReadonlyArray<number>, EngineFailure>
}
