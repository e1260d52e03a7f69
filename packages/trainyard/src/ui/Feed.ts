/**
 * A run as a stream of patches, from its beginning to its end: the reducer of `status` and `monitor` over the run's log, read as often as a page
 * is drawn. Events that come faster are in the next patch, so none is lost and the page never falls behind.
 */
import type { RunEvent } from "@trainyard/core/RunEvent"
import * as RunLog from "@trainyard/core/RunLog"
import type { Metric } from "@trainyard/core/RunState"
import * as RunStatus from "@trainyard/core/RunStatus"
import * as Sanitize from "@trainyard/core/Sanitize"
import { explain } from "@trainyard/core/Workspace"
import { Effect, Fiber, Queue, Ref, Stream } from "effect"
import * as Watching from "../Watching.ts"
import type { CurvePart, Patch, State } from "./Payload.ts"

const everyMilliseconds = 250

/** Six digits are more than a screen shows. */
const rounded = (value: number | null): number | null =>
  value === null ? null : Number(value.toPrecision(6))

/** The points that a reader lacks who has those of `before`; undefined when it has them all. */
const partOf = (metric: Metric, before: Metric | undefined): CurvePart | undefined => {
  if (metric === before) return undefined
  const { name, points, stage, unit, value } = metric
  const had = before?.points ?? []
  // The reducer keeps points as they are, but for the last one, until it thins or drops some.
  const isSame = (index: number) => points[index] !== undefined && points[index] === had[index]
  const whole = had.length - (isSame(had.length - 1) ? 0 : 1)
  const from = isSame(0) && isSame(whole - 1) ? whole : 0
  const added = points.slice(from)
  const hasRange = added.some(({ low }) => low !== undefined)
  const { best } = metric
  return {
    ...{ stage, name, unit, value, from, step: metric.step },
    best: best === null ? null : { step: best.step, value: best.value },
    steps: added.map(({ step }) => step),
    values: added.map((point) => rounded(point.value)),
    seconds: added.map(({ seconds }) => Math.round(seconds * 10) / 10),
    ...(hasRange
      ? {
          lows: added.map(({ low }) => rounded(low ?? null)),
          highs: added.map(({ high }) => rounded(high ?? null))
        }
      : {})
  }
}

/** What changed from one status to the next; all of it when there is no earlier one. */
export const patchOf = (run: string, next: RunStatus.RunStatus, before?: RunStatus.RunStatus): Patch => {
  const { metrics, ...state } = next
  const earlier: Partial<State> = before ?? {}
  const changed = Object.entries(state).filter(([key, value]) => earlier[key as keyof State] !== value)
  return {
    run,
    state: Sanitize.deep(Object.fromEntries(changed)),
    curves: metrics.flatMap((metric) => {
      const had = before?.metrics.find(({ name, stage }) => name === metric.name && stage === metric.stage)
      return partOf(metric, had) ?? []
    })
  }
}

/** The statuses of a run as its log grows, the first at once, the last when it has ended or its process is gone. */
const statuses = Effect.fnUntraced(function* (
  directory: string,
  show: (status: RunStatus.RunStatus) => Effect.Effect<void>
) {
  const latest = yield* Ref.make({ status: RunStatus.empty, events: 0 })
  const add = (event: RunEvent) =>
    Ref.update(latest, ({ events, status }) => ({
      status: RunStatus.reduce(status, event),
      events: events + 1
    }))
  const reading = yield* RunLog.follow(directory, everyMilliseconds / 2).pipe(
    Stream.runForEach(add),
    Effect.mapError(explain("Reading the run's log", directory)),
    Effect.forkScoped
  )
  let shown = -1
  let idle = 0
  for (;;) {
    // The end of the reading, or its failure, ends the wait early.
    yield* Fiber.join(reading).pipe(Effect.timeoutOption(everyMilliseconds))
    const { events, status } = yield* Ref.get(latest)
    if (status.state !== "running") return yield* show(status)
    idle = events === shown ? idle + 1 : 0
    // Nothing new for a while, so all of the log has been read.
    if (idle >= 2 && !(yield* RunStatus.isAlive(status))) return yield* show(yield* Watching.now(directory))
    if (events !== shown) yield* show(status)
    shown = events
  }
}, Effect.scoped)

/** The patches of a run. Ends with the run. */
export const feed = (run: string, directory: string) =>
  Stream.callback<
    Patch,
    Effect.Error<ReturnType<typeof statuses>>,
    Effect.Services<ReturnType<typeof statuses>>
  >(
    Effect.fnUntraced(function* (queue) {
      const before = yield* Ref.make<RunStatus.RunStatus | undefined>(undefined)
      yield* statuses(directory, (status) =>
        Effect.gen(function* () {
          const patch = patchOf(run, status, yield* Ref.getAndSet(before, status))
          yield* Queue.offer(queue, patch)
        })
      ).pipe(
        Effect.matchCauseEffect({
          onFailure: (cause) => Queue.failCause(queue, cause),
          onSuccess: () => Queue.end(queue)
        })
      )
    }),
    // A page that does not read makes the reducer wait, not the memory grow.
    { bufferSize: 1, strategy: "suspend" }
  )

/** A run as it is now, in one patch. */
export const snapshot = Effect.fnUntraced(function* (run: string, directory: string) {
  return patchOf(run, yield* Watching.now(directory))
})
