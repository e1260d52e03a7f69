/** Following a run from another process: its status as the log grows, and the news that its process is gone. */
import * as RunLog from "@trainyard/core/RunLog"
import * as RunStatus from "@trainyard/core/RunStatus"
import { type Duration, Effect, Fiber, Ref, Stream } from "effect"

/** The status of a run now, a killed one told from a running one. */
export const now = Effect.fn("Watching.now")(function* (directory: string) {
  const status = RunStatus.of(yield* RunLog.read(directory))
  return (yield* RunStatus.isAlive(status)) ? status : RunStatus.crashed(status)
})

/**
 * Hands the run's status to `show` now, every `every` and at its end. Ends when the run has finished or its process is gone, with the
 * last status.
 */
export const follow = Effect.fn("Watching.follow")(function* <E, R>(
  directory: string,
  every: Duration.Input,
  show: (status: RunStatus.RunStatus) => Effect.Effect<void, E, R>
) {
  const status = yield* Ref.make(RunStatus.of(yield* RunLog.read(directory)))
  const reading = yield* RunLog.follow(directory).pipe(
    Stream.runFoldEffect(
      () => RunStatus.empty,
      (folded, event) => {
        const next = RunStatus.update(folded, event)
        // While what is already in the log is read again, the status must not run backwards.
        return Effect.as(
          Ref.update(status, (shown) => (next.updatedAt >= shown.updatedAt ? next : shown)),
          next
        )
      }
    ),
    Effect.forkScoped
  )
  for (;;) {
    const current = yield* Ref.get(status)
    if (current.state !== "running") break
    if (!(yield* RunStatus.isAlive(current))) {
      // What it said last may still be on its way from the log.
      const last = yield* now(directory)
      yield* Ref.set(status, last)
      break
    }
    yield* show(current)
    yield* Fiber.await(reading).pipe(Effect.timeoutOption(every))
  }
  const last = yield* Ref.get(status)
  yield* show(last)
  return last
}, Effect.scoped)
