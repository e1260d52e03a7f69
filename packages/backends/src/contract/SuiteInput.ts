/** What each part of the contract suite is given. */
import type { Effect, Scope } from "effect"
import type { Engine, Settings } from "../Backend.ts"
import type { Answers } from "./Answers.ts"

export interface Contract {
  readonly engine: Engine
  readonly settings: Settings
  readonly threads: ReadonlyArray<number>
  /** Thread counts that must give the same bits. */
  readonly alike: ReadonlyArray<number>
  /** Tolerance of operations that multiply matrices, which may do so in the session's precision. */
  readonly tolerance: number
  /** Tolerance of all others, which compute in float32 always. */
  readonly exactTolerance: number
  readonly cases: number
  readonly answers: Answers
  readonly describe: (name: string, body: () => void) => void
  readonly it: {
    readonly live: (name: string, test: () => Effect.Effect<void, unknown, Scope.Scope>) => void
  }
}
