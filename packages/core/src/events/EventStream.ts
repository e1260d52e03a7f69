/**
 * Writing events. Each run has a stream of its own (`RunStream`): an event is appended to that run's events.jsonl at once, so that a
 * crash loses nothing, and then handed to every subscriber. `EventStream` is where readers subscribe; runs that share it keep their
 * logs separate, and each event carries its run's identity.
 */
import { appendFileSync } from "node:fs"
import { Context, Effect, FileSystem, Layer, Path, PubSub, type Scope, Semaphore, Stream } from "effect"
import * as Folders from "../store/Folders.ts"
import { explain, type WorkspaceError } from "../store/Workspace.ts"
import { encodeLine, type Reported, type RunEvent, type RunnerEvent } from "./RunEvent.ts"

type Event = typeof RunnerEvent.Type | typeof Reported.Type

// After these the log is flushed to the disk, so that they survive a power cut.
const eventsToFsync = new Set(["RunStarted", "StageFinished", "Failure", "RunFinished"])

const needsFsync = (event: Event): boolean =>
  eventsToFsync.has(event.type) || (event.type === "Stage" && event.event.type === "Saved")

/** The stream of one run, which the runner provides to everything that belongs to the run. */
export class RunStream extends Context.Service<
  RunStream,
  {
    /** Identity of the run. */
    readonly run: string
    /** Adds an event to the stream. Never fails and never waits for a reader. */
    readonly publish: (event: Event) => Effect.Effect<void>
  }
>()("@trainyard/core/EventStream/RunStream") {}

/** The events of all runs that share this service, for readers within the process. */
export class EventStream extends Context.Service<
  EventStream,
  {
    /**
     * Opens the stream of a run until the scope closes: its events carry its identity, go to `events.jsonl` in `directory` (nowhere
     * when it is null) and then to the subscribers.
     */
    readonly open: (
      run: string,
      directory: string | null
    ) => Effect.Effect<RunStream["Service"], WorkspaceError, FileSystem.FileSystem | Path.Path | Scope.Scope>
    /** A subscription from now on. Take it before the run starts to miss nothing. */
    readonly subscribe: Effect.Effect<PubSub.Subscription<RunEvent>, never, Scope.Scope>
    /** Events from now on. Does not end by itself: take until `RunFinished`. */
    readonly events: Stream.Stream<RunEvent>
    /**
     * Adds an event to the log of every run that is open, at once: for a process that ends with the next instruction and can wait for
     * nothing. Subscribers do not receive it.
     */
    readonly appendSync: (event: typeof RunnerEvent.Type) => void
  }
>()("@trainyard/core/EventStream") {
  static readonly layer = Layer.effect(
    EventStream,
    Effect.gen(function* () {
      const hub = yield* Effect.acquireRelease(PubSub.unbounded<RunEvent>(), PubSub.shutdown)
      // The logs that are open now, each with its run's identity.
      const logs = new Map<string, string>()

      const open = Effect.fnUntraced(function* (run: string, directory: string | null) {
        const write = directory === null ? () => Effect.void : yield* openLog(logs, run, directory)
        const turn = yield* Semaphore.make(1)
        const publish = (event: Event) =>
          Effect.gen(function* () {
            const stamped: RunEvent = { run, at: new Date().toISOString(), event }
            yield* write(encodeLine(stamped), needsFsync(event))
            yield* PubSub.publish(hub, stamped)
          }).pipe(Semaphore.withPermit(turn), Effect.uninterruptible)
        return RunStream.of({ run, publish })
      })

      const appendSync = (event: typeof RunnerEvent.Type): void => {
        for (const [file, run] of logs) {
          try {
            appendFileSync(file, encodeLine({ run, at: new Date().toISOString(), event }))
          } catch {
            // A reader of the log still finds that the process is gone.
          }
        }
      }

      return EventStream.of({
        open,
        appendSync,
        subscribe: PubSub.subscribe(hub),
        events: Stream.fromPubSub(hub)
      })
    })
  )
}

/**
 * Opens a run's log for appending. A line that cannot be written (a full disk) is kept and tried again with the next one: the log
 * never ends a run by itself.
 */
const openLog = Effect.fnUntraced(function* (logs: Map<string, string>, run: string, directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const failed = Effect.mapError(explain("Starting the run's log", directory))
  yield* Folders.make(directory).pipe(failed)
  const name = path.join(directory, "events.jsonl")
  const file = yield* fs.open(name, { flag: "a" }).pipe(failed)
  yield* Effect.acquireRelease(
    Effect.sync(() => logs.set(name, run)),
    () => Effect.sync(() => logs.delete(name))
  )
  const encoder = new TextEncoder()
  // After a write that failed halfway, the torn line is closed before the next.
  let pending = ""
  let torn = false
  const keepBytes = 1 << 20
  return (line: string, flush: boolean) =>
    Effect.gen(function* () {
      pending += line
      yield* file.writeAll(encoder.encode(torn ? `\n${pending}` : pending))
      pending = ""
      torn = false
      if (flush) yield* file.sync
    }).pipe(
      Effect.catch(() =>
        Effect.sync(() => {
          torn = true
          if (pending.length > keepBytes)
            pending = pending.slice(pending.indexOf("\n", pending.length - keepBytes) + 1)
        })
      )
    )
})
