/** Saves snapshots one after the other while training goes on. */
import { Effect, Fiber, type Scope } from "effect"
import type { CheckpointFailed, Snapshot } from "./Snapshot.ts"

export interface BackgroundSaver {
  /** Fails when a save in the background has failed for good. */
  readonly check: Effect.Effect<void, CheckpointFailed>
  /** Waits until nothing is being saved. */
  readonly settle: Effect.Effect<void, CheckpointFailed>
  /** Whether a save is under way. */
  readonly busy: () => boolean
  /**
   * Saves in the background. While a save is under way one snapshot may wait: the newest that is the best so far, or else the newest. The
   * others are discarded.
   */
  readonly offer: (snapshot: Snapshot) => Effect.Effect<void>
}

const isBest = (snapshot: Snapshot): boolean => snapshot.bestStep === snapshot.step

/** A saver whose fiber lives in `scope`. `save` discards the snapshot in the end, whether it succeeds or fails. */
export const make = (
  save: (snapshot: Snapshot) => Effect.Effect<void, CheckpointFailed>,
  scope: Scope.Scope
): BackgroundSaver => {
  let running: Fiber.Fiber<void, CheckpointFailed> | undefined
  let waiting: Snapshot | undefined
  let failure: CheckpointFailed | undefined

  const saveAll = Effect.fnUntraced(function* (first: Snapshot) {
    let next: Snapshot | undefined = first
    while (next !== undefined) {
      yield* save(next)
      next = waiting
      waiting = undefined
      // Nothing runs between this and looking for the next one, so an offer finds either a saver at work or none.
      if (next === undefined) running = undefined
    }
  })

  const start = (first: Snapshot): Effect.Effect<void> =>
    saveAll(first).pipe(
      Effect.tapError((error) =>
        Effect.sync(() => {
          failure = error
          running = undefined
        })
      ),
      Effect.forkIn(scope),
      Effect.flatMap((fiber) =>
        Effect.sync(() => {
          running = fiber
        })
      )
    )

  const check = Effect.suspend(() => (failure === undefined ? Effect.void : Effect.fail(failure)))
  const settle: BackgroundSaver["settle"] = Effect.suspend(() =>
    running === undefined ? check : Fiber.await(running).pipe(Effect.andThen(Effect.suspend(() => settle)))
  )

  return {
    check,
    settle,
    busy: () => running !== undefined,
    offer: (snapshot) =>
      Effect.suspend(() => {
        if (running === undefined) return start(snapshot)
        if (waiting !== undefined && isBest(waiting) && !isBest(snapshot)) return snapshot.discard
        const replaced = waiting
        waiting = snapshot
        return replaced?.discard ?? Effect.void
      })
  }
}
