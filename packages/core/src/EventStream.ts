/**
 * The one voice of a run. Whatever happens is published here: it is appended to the run's events.jsonl at once, so that a crash loses
 * nothing that was said, and then handed to every subscriber.
 */
import { appendFileSync } from "node:fs"
import { Context, Effect, FileSystem, Layer, Path, PubSub, Ref, type Scope, Semaphore, Stream } from "effect"
import * as Folders from "./Folders.ts"
import { encodeLine, type Reported, type RunEvent, type RunnerEvent } from "./RunEvent.ts"
import { explain, type WorkspaceError } from "./Workspace.ts"

type Event = typeof RunnerEvent.Type | typeof Reported.Type

// Moments that must survive even the machine: the log is flushed to the disk at these.
const momentous = new Set(["RunStarted", "StageFinished", "Failure", "RunFinished"])

const isMomentous = (event: Event): boolean =>
  momentous.has(event.type) || (event.type === "Stage" && event.event.type === "CheckpointSaved")

/** The logs that are open now, each with its run's identity. */
const openLogs = new Map<string, string>()

/**
 * Adds an event to the log of every run of this process, at once: for a process that ends with the next instruction and can wait for
 * nothing. Readers within the process are not told.
 */
export const lastWord = (event: typeof RunnerEvent.Type): void => {
  for (const [file, run] of openLogs) {
    try {
      appendFileSync(file, encodeLine({ run, at: new Date().toISOString(), event }))
    } catch {
      // Whoever reads the log will find that the process is gone.
    }
  }
}

interface Sink {
  readonly run: string
  readonly write: (line: string, flush: boolean) => Effect.Effect<void>
}

/** The stream that a run speaks into and that every reader within the process subscribes to. */
export class EventStream extends Context.Service<
  EventStream,
  {
    /** Adds an event to the stream. Never fails and never waits for a reader. */
    readonly publish: (event: Event) => Effect.Effect<void>
    /**
     * Makes the stream that of a run until the scope closes: events carry its identity and go to `events.jsonl` in `directory`
     * (nowhere when it is null).
     */
    readonly open: (
      run: string,
      directory: string | null
    ) => Effect.Effect<void, WorkspaceError, FileSystem.FileSystem | Path.Path | Scope.Scope>
    /** A subscription from now on. Take it before the run starts to miss nothing. */
    readonly subscribe: Effect.Effect<PubSub.Subscription<RunEvent>, never, Scope.Scope>
    /** Events from now on. Does not end by itself: take until `RunFinished`. */
    readonly events: Stream.Stream<RunEvent>
  }
>()("@trainyard/core/EventStream") {
  static readonly layer = Layer.effect(
    EventStream,
    Effect.gen(function* () {
      const hub = yield* Effect.acquireRelease(PubSub.unbounded<RunEvent>(), PubSub.shutdown)
      const sink = yield* Ref.make<Sink>({ run: "", write: () => Effect.void })
      const turn = yield* Semaphore.make(1)

      const publish = (event: Event) =>
        Effect.gen(function* () {
          const { run, write } = yield* Ref.get(sink)
          const stamped: RunEvent = { run, at: new Date().toISOString(), event }
          yield* write(encodeLine(stamped), isMomentous(event))
          yield* PubSub.publish(hub, stamped)
        }).pipe(Semaphore.withPermit(turn), Effect.uninterruptible)

      const open = Effect.fnUntraced(function* (run: string, directory: string | null) {
        const before = yield* Ref.get(sink)
        const write = directory === null ? () => Effect.void : yield* openLog(run, directory)
        yield* Effect.acquireRelease(Ref.set(sink, { run, write }), () => Ref.set(sink, before))
      })

      return EventStream.of({
        publish,
        open,
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
const openLog = Effect.fnUntraced(function* (run: string, directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const failed = Effect.mapError(explain("Starting the run's log", directory))
  yield* Folders.make(directory).pipe(failed)
  const name = path.join(directory, "events.jsonl")
  const file = yield* fs.open(name, { flag: "a" }).pipe(failed)
  yield* Effect.acquireRelease(
    Effect.sync(() => openLogs.set(name, run)),
    () => Effect.sync(() => openLogs.delete(name))
  )
  const encoder = new TextEncoder()
  // After a write that failed halfway, the torn line is closed before the next.
  let owed = ""
  let torn = false
  const keepBytes = 1 << 20
  return (line: string, flush: boolean) =>
    Effect.gen(function* () {
      owed += line
      yield* file.writeAll(encoder.encode(torn ? `\n${owed}` : owed))
      owed = ""
      torn = false
      if (flush) yield* file.sync
    }).pipe(
      Effect.catch(() =>
        Effect.sync(() => {
          torn = true
          if (owed.length > keepBytes) owed = owed.slice(owed.indexOf("\n", owed.length - keepBytes) + 1)
        })
      )
    )
})
