/** Progress of the collect stage's downloads, in bytes, summed. Small downloads report none. */
import { Journal } from "@trainyard/core/Journal"
import { Clock, Context, Effect } from "effect"

/** Bytes received of a download; `total` where the server announced it. */
export interface Received {
  readonly received: number
  readonly total: number | undefined
}

/** Bytes below which no progress is reported. */
const minimumReportedBytes = 1e6

/** Milliseconds between two measurements. */
const interval = 250

export class Downloads extends Context.Service<
  Downloads,
  {
    /** Measures a download repeatedly while work runs, and once when it ends. */
    readonly during: <R2>(
      measure: Effect.Effect<Received, never, R2>
    ) => <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | R2>
  }
>()("@trainyard/stages/collect/Downloads") {
  /** Publishes to the stage's journal. */
  static readonly make = Effect.gen(function* () {
    const journal = yield* Journal
    const downloads = new Map<symbol, Received>()
    let reported = { at: 0, received: 0 }
    const report = (always: boolean) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        // Several downloads are measured in turn and reported together.
        if (!always && now - reported.at < interval) return
        let received = 0
        let total: number | undefined = 0
        for (const one of downloads.values()) {
          received += one.received
          total = total === undefined || one.total === undefined ? undefined : total + one.total
        }
        const small = Math.max(received, total ?? 0) < minimumReportedBytes
        if (small || received === reported.received) return
        reported = { at: now, received }
        yield* journal.publish({
          type: "Progress",
          doing: "downloading",
          done: received,
          ...(total === undefined ? {} : { total: Math.max(received, total) }),
          unit: "bytes"
        })
      })
    return Downloads.of({
      during: (measure) => (work) =>
        Effect.suspend(() => {
          const key = Symbol("download")
          const note = Effect.map(measure, (received) => void downloads.set(key, received))
          const watching = Effect.forever(
            Effect.andThen(Effect.sleep(interval), Effect.andThen(note, report(false)))
          )
          return Effect.raceFirst(work, watching).pipe(
            Effect.tap(() => Effect.andThen(note, reported.received > 0 ? report(true) : Effect.void))
          )
        })
    })
  })
}
