/** Following a run from another process: its status as the log grows, and whether its process is gone. */
import * as RunLog from "@trainyard/core/RunLog"
import * as RunStatus from "@trainyard/core/RunStatus"
import { explain } from "@trainyard/core/Workspace"
import { type Duration, Effect, Fiber, FileSystem, Ref, Stream } from "effect"

/** What of a log is missing in its status, in words. The line that a running process is writing is not damage. */
const damage = (
  { events, file, torn, unknown, unreadable }: RunLog.Log,
  alive: boolean
): string | undefined => {
  if (events.length === 0 && !alive) return `${file} holds no event that can be read.`
  const parts = [
    ...(unreadable === 0
      ? []
      : [`${unreadable} ${unreadable === 1 ? "line" : "lines"} of it cannot be read`]),
    ...(torn && !alive ? ["its last line is cut off"] : [])
  ]
  const others =
    unknown === 0
      ? []
      : [
          `${unknown} ${unknown === 1 ? "event" : "events"} of ${file} were written by another version of Trainyard and are not shown.`
        ]
  const damaged =
    parts.length === 0 ? [] : [`${file} is damaged: ${parts.join(", and ")}. The rest is shown.`]
  return parts.length + unknown === 0 ? undefined : [...damaged, ...others].join(" ")
}

/**
 * The status without saved work that is gone, which the log does not tell: a stage removes what it saved earlier, and all of it when it
 * is done.
 */
const withExistingSaves = Effect.fnUntraced(function* (status: RunStatus.RunStatus) {
  const fs = yield* FileSystem.FileSystem
  const saved = yield* Effect.filter(
    status.saved,
    // A folder that cannot be read is still there.
    ({ directory }) => fs.exists(directory).pipe(Effect.orElseSucceed(() => true)),
    { concurrency: 8 }
  )
  return saved.length === status.saved.length ? status : { ...status, saved }
})

/** The status of a run now. A run whose process is gone has crashed; a log that cannot be read whole gives a warning. */
export const now = Effect.fn("Watching.now")(function* (directory: string) {
  const log = yield* RunLog.readLog(directory)
  const status = RunStatus.of(log.events)
  const alive = yield* RunStatus.isAlive(status)
  const shown = yield* withExistingSaves(alive ? status : RunStatus.crashed(status))
  const text = damage(log, alive)
  return text === undefined
    ? shown
    : { ...shown, warnings: [...shown.warnings, { at: shown.updatedAt, stage: null, text }] }
})

/**
 * Hands the run's status to `show` now, every `every` and at its end. Ends when the run has finished or its process is gone, with the
 * last status; fails with `WorkspaceError` when its log cannot be read.
 */
export const follow = Effect.fn("Watching.follow")(function* <E, R>(
  directory: string,
  every: Duration.Input,
  show: (status: RunStatus.RunStatus) => Effect.Effect<void, E, R>
) {
  const already = yield* RunLog.read(directory)
  const status = yield* Ref.make(RunStatus.of(already))
  const reading = yield* RunLog.follow(directory).pipe(
    Stream.runFoldEffect(
      () => ({ read: 0, reduced: RunStatus.empty }),
      ({ reduced, read }, event) => {
        const next = { read: read + 1, reduced: RunStatus.reduce(reduced, event) }
        // While what is already in the log is read again, the status must not run backwards.
        const isNews = next.read >= already.length
        return Effect.as(isNews ? Ref.set(status, next.reduced) : Effect.void, next)
      }
    ),
    Effect.catchTag("PlatformError", (error) =>
      Effect.fail(explain("Reading the run's log", directory)(error))
    ),
    Effect.forkScoped
  )
  for (;;) {
    const current = yield* Ref.get(status)
    if (current.state !== "running") break
    if (!(yield* RunStatus.isAlive(current))) {
      // Its last events may not have been read from the log yet.
      const last = yield* now(directory)
      yield* Ref.set(status, last)
      break
    }
    yield* show(yield* withExistingSaves(current))
    // A log that cannot be read any more ends the watching: nothing new would ever be shown.
    yield* Fiber.join(reading).pipe(Effect.timeoutOption(every))
  }
  const last = yield* withExistingSaves(yield* Ref.get(status))
  yield* show(last)
  return last
}, Effect.scoped)
