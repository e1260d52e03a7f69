/** Finds an engine that hangs: without it, a worker that never answers would stop training without a word. */
import { EngineFailure, type Prepared } from "@trainyard/backends/Backend"
import { Duration, Effect } from "effect"

/**
 * The same program with a time limit: `hangSeconds` or 20 times its slowest run so far, whichever is longer, and ten times `hangSeconds`
 * for the first run, which compiles and packs. A longer run fails as a transient `EngineFailure`.
 */
export const watched = (
  engine: EngineFailure["engine"],
  program: Prepared,
  hangSeconds: number
): Prepared => {
  let slowest: number | undefined
  return {
    run: (inputs) =>
      Effect.suspend(() => {
        const began = performance.now()
        const limit = slowest === undefined ? hangSeconds * 10 : Math.max(hangSeconds, (20 * slowest) / 1000)
        return Effect.timeoutOrElse(Effect.interruptible(program.run(inputs)), {
          duration: Duration.seconds(limit),
          orElse: () =>
            Effect.fail(
              new EngineFailure({
                engine,
                why: `a program ran longer than ${limit.toFixed(1)} seconds, so a worker must hang`,
                transient: true
              })
            )
        }).pipe(
          Effect.tap(() =>
            Effect.sync(() => {
              slowest = Math.max(slowest ?? 0, performance.now() - began)
            })
          )
        )
      })
  }
}
