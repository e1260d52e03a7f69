/** The orders of a run that are being made: what is done about each, as the queue shows it. */

import type { RunStream } from "@trainyard/core/EventStream"
import type { Order } from "@trainyard/core/RemoteExecutor"
import { Deferred, Effect } from "effect"
import { JobQueue, type Published, type Seen } from "./JobQueue.ts"
import type { Job, Outcome } from "./Messages.ts"

/** A stage whose worker was lost this often without saving anything in between has something wrong with itself. */
const mostLosses = 10

/** A stage that stays in the queue for longer says so. */
const quietSeconds = 2

/** A stage that all workers have refused waits this long for another one. */
const refusedSeconds = 3

export type Ended = { readonly type: "taken back" } | Outcome

/** An order that is being made. */
export interface Open {
  /** The row of the queue; changes when the queue lost it. */
  id: string
  readonly order: Order
  readonly job: Job
  /** That its worker must have; null for any. */
  readonly label: string | null
  readonly store: string
  readonly stream: RunStream["Service"]
  readonly ended: Deferred.Deferred<Ended>
  /** Attempt and position of the last event that was handed on. */
  last: readonly [number, number]
  queuedSince: number
  refusedSince: number | undefined
  hasToldWaiting: boolean
  isLeaving: boolean
}

const isAfter = (event: Published, [attempt, position]: Open["last"]): boolean =>
  event.attempt > attempt || (event.attempt === attempt && event.position > position)

/** Puts an order into the queue; gives its row. */
export const submit = ({ job, label, order, store }: Pick<Open, "job" | "label" | "order" | "store">) =>
  Effect.flatMap(JobQueue, (queue) => queue.submit(job, order.stage.node.stage.name, label, store))

/** Hands on what came, each event once. */
export const relay = Effect.fnUntraced(function* (its: Open, published: ReadonlyArray<Published>) {
  for (const each of published) {
    if (!isAfter(each, its.last)) continue
    its.last = [each.attempt, each.position]
    if (each.event.type === "StageStarted") yield* its.order.onBegin
    yield* its.stream.publish(each.event)
  }
})

const fault = ({ job, stream }: Open, kind: string, message: string, action: string) =>
  stream.publish({ type: "Stage", stage: job.name, event: { type: "Fault", kind, message, action } })

const fail = (its: Open, error: string, message: string) =>
  Effect.andThen(
    Effect.flatMap(JobQueue, (queue) => Effect.ignore(queue.remove(its.id))),
    Deferred.succeed(its.ended, { type: "failed", error, message, details: null } as const)
  )

/** A stage in the queue that nobody has taken yet. */
const waiting = Effect.fnUntraced(function* (its: Open, seen: Seen) {
  const queue = yield* JobQueue
  const now = performance.now()
  const { name } = its.job
  if (its.isLeaving || (yield* its.order.halted)) {
    if (yield* queue.withdraw(its.id)) yield* Deferred.succeed(its.ended, { type: "taken back" })
    return
  }
  const refusals = Object.values(seen.refusals)
  if (refusals.length > 0 && seen.able === 0) {
    its.refusedSince ??= now
    if (now - its.refusedSince > refusedSeconds * 1000) {
      yield* fail(
        its,
        "Refused",
        `No worker can make ${name}. ${refusals.join(" ")} Bring the workers' folders to the state of this one and run again.`
      )
    }
    return
  }
  its.refusedSince = undefined
  if (its.hasToldWaiting || now - its.queuedSince < quietSeconds * 1000) return
  its.hasToldWaiting = true
  const label = its.label ?? undefined
  yield* its.stream.publish({
    type: "StageWaiting",
    stage: name,
    reason: "worker",
    ...(seen.able > 0
      ? { holder: "a worker that is free" }
      : {
          holder: "a worker, and none is connected that takes it and has this store",
          hint: `Start one in the project's folder: trainyard worker --queue URL --store DIR${label === undefined ? "" : ` --label ${label}`}`
        })
  })
})

const vanished = Effect.fnUntraced(function* (its: Open, { holder, losses }: Seen) {
  const queue = yield* JobQueue
  if (!(yield* queue.takeBack(its.id))) return
  const message = `Worker ${holder ?? "?"} has vanished: no sign of life for the length of its lease.`
  yield* fault(
    its,
    "worker vanished",
    message,
    losses + 1 >= mostLosses
      ? "It is not tried again."
      : "The stage goes to another worker, which goes on from what was saved."
  )
  its.queuedSince = performance.now()
  its.hasToldWaiting = false
})

/** Does what is to be done about an order, as the queue shows it. */
export const look = Effect.fnUntraced(function* (its: Open, seen: Seen | undefined) {
  const queue = yield* JobQueue
  // The queue has lost it, as when this process was stopped for long: it is asked for again.
  if (seen === undefined) {
    if (its.isLeaving) return yield* Deferred.succeed(its.ended, { type: "left" })
    its.id = yield* submit(its)
    its.last = [0, -1]
    return
  }
  if (seen.outcome !== null) {
    const { outcome } = seen
    if (outcome.type === "left" && !its.isLeaving) {
      // It left because it took this process for gone.
      yield* queue.remove(its.id)
      return
    }
    // The run goes on at once.
    yield* Deferred.succeed(its.ended, outcome)
    return yield* Effect.ignore(queue.remove(its.id))
  }
  if (seen.losses >= mostLosses && seen.state === "queued") {
    return yield* fail(
      its,
      "WorkersLost",
      `${its.job.name} was given to workers ${mostLosses} times, and each was lost before it saved anything; the last was ${seen.holder ?? "?"}. Look at that machine's memory and at what the worker printed.`
    )
  }
  if (seen.expired) return yield* vanished(its, seen)
  if (seen.state === "queued") return yield* waiting(its, seen)
})
