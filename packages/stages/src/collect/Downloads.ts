/** How far the downloads of the collect stage are, in bytes and all together. Small ones are over before anybody could read it. */
import { Journal } from "@trainyard/core/Journal"
import { Clock, Context, Effect } from "effect"

/** What has come of a download, in bytes; `total` where the sender said it. */
export interface Arrived {
  readonly received: number
  readonly total: number | undefined
}

/** Less than this is not told of. */
const worthTelling = 1e6

/** Milliseconds from one look to the next. */
const interval = 250

export class Downloads extends Context.Service<
  Downloads,
  {
    /** Looks at a download again and again while work goes on, and once more at its end. */
    readonly during: <R2>(
      look: Effect.Effect<Arrived, never, R2>
    ) => <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | R2>
  }
>()("@trainyard/stages/collect/Downloads") {
  /** Publishes to the stage's journal. */
  static readonly make = Effect.gen(function* () {
    const journal = yield* Journal
    const downloads = new Map<symbol, Arrived>()
    let told = { at: 0, received: 0 }
    const tell = (always: boolean) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        // Several downloads look in turn, and are told of together.
        if (!always && now - told.at < interval) return
        let received = 0
        let total: number | undefined = 0
        for (const one of downloads.values()) {
          received += one.received
          total = total === undefined || one.total === undefined ? undefined : total + one.total
        }
        const small = Math.max(received, total ?? 0) < worthTelling
        if (small || received === told.received) return
        told = { at: now, received }
        yield* journal.publish({
          type: "Progress",
          doing: "downloading",
          done: received,
          ...(total === undefined ? {} : { total: Math.max(received, total) }),
          unit: "bytes"
        })
      })
    return Downloads.of({
      during: (look) => (work) =>
        Effect.suspend(() => {
          const key = Symbol("download")
          const note = Effect.map(look, (arrived) => void downloads.set(key, arrived))
          const watching = Effect.forever(
            Effect.andThen(Effect.sleep(interval), Effect.andThen(note, tell(false)))
          )
          return Effect.raceFirst(work, watching).pipe(
            Effect.tap(() => Effect.andThen(note, told.received > 0 ? tell(true) : Effect.void))
          )
        })
    })
  })
}
