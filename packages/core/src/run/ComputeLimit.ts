/**
 * Stages of one run that compute take turns, because an engine already uses every thread that it was given: two that train at once would
 * only slow each other down and hold two models in memory.
 */
import { Context, Effect, Layer, type Scope, Semaphore } from "effect"

/** Asked for by a stage of the run before it computes; the runner provides it. */
export class ComputeLimit extends Context.Service<
  ComputeLimit,
  {
    /**
     * Waits until `stage` may compute, and keeps its turn until the scope closes. `onWaiting` receives the stages that compute now, only
     * when there is any waiting.
     */
    readonly take: (
      stage: string,
      onWaiting: (holders: ReadonlyArray<string>) => Effect.Effect<void>
    ) => Effect.Effect<void, never, Scope.Scope>
  }
>()("@trainyard/core/ComputeLimit") {
  /** For one run in which at most `jobs` stages compute at the same time. */
  static readonly layer = (jobs: number): Layer.Layer<ComputeLimit> =>
    Layer.effect(
      ComputeLimit,
      Effect.gen(function* () {
        const places = yield* Semaphore.make(jobs)
        const holders = new Set<string>()
        const take = Effect.fn("ComputeLimit.take")(function* (
          stage: string,
          onWaiting: (holders: ReadonlyArray<string>) => Effect.Effect<void>
        ) {
          if (holders.size >= jobs) yield* onWaiting([...holders])
          yield* Semaphore.takeScoped(places, 1)
          yield* Effect.acquireRelease(
            Effect.sync(() => holders.add(stage)),
            () => Effect.sync(() => holders.delete(stage))
          )
        })
        return ComputeLimit.of({ take })
      })
    )
}
