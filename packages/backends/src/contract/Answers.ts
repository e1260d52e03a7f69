/** What reference answers to the suite's questions, each computed once. */
import { Effect } from "effect"
import type { Outputs } from "../Backend.ts"

/** Keeps what an effect gives, by a text that says what it computes. */
const remembered = <A>() => {
  const known = new Map<string, A>()
  return <E, R>(question: string, compute: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const answer = known.get(question)
      if (answer !== undefined) return Effect.succeed(answer)
      return Effect.tap(compute, (made) => Effect.sync(() => known.set(question, made)))
    })
}

/**
 * Answers for the suites that are given them. The questions are the same for each engine, kernel path and precision, and reference
 * takes longer to answer than most engines.
 */
export const make = () => ({
  cases: remembered<ReadonlyArray<Outputs>>(),
  /** Loss and norm of the gradient, step by step. */
  training: remembered<{ readonly curve: Float32Array; readonly norms: Float32Array }>(),
  expanded: remembered<{ readonly curve: Float32Array }>()
})

export type Answers = ReturnType<typeof make>
