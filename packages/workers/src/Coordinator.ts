/**
 * The coordinator of a run: puts the stages that must be made into the queue, hands on their events in order, and gives the stage of a worker
 * that vanished to another one. It is the run's own process; the workers know it by its run.
 */

import { RunStream } from "@trainyard/core/EventStream"
import { type Executor, type Order, RemoteExecutor, RemoteFailure } from "@trainyard/core/RemoteExecutor"
import { Deferred, Effect, Layer, Queue, Schedule, Scope, Semaphore } from "effect"
import type { DatabaseError } from "./Database.ts"
import { JobQueue } from "./JobQueue.ts"
import type { Job } from "./Messages.ts"
import { type Ended, look, type Open, relay, submit } from "./orders.ts"

export interface Options {
  /** How the workers open the pipeline. */
  readonly spec: unknown
  /** Label that a worker must have for a stage, by the stage's name. */
  readonly places: Readonly<Record<string, string>>
  /** Seconds without a sign of life after which workers take this coordinator for gone. */
  readonly lease: number
  /** The run's store, by its name in itself. */
  readonly store: string
  /** Says to a person that the queue is away, or back. */
  readonly say: (text: string) => Effect.Effect<void>
}

/** Looks this often, should no notification come. */
const lookEvery = "1 second"

const failedBy = ({ message }: DatabaseError) =>
  new RemoteFailure({ error: "DatabaseError", message, details: null })

/** Tries a statement until the database answers. What is wrong for good fails. */
const patient = <A, R>(statement: Effect.Effect<A, DatabaseError, R>): Effect.Effect<A, RemoteFailure, R> =>
  Effect.retry(statement, {
    schedule: Schedule.spaced("500 millis"),
    while: ({ transient }) => transient
  }).pipe(Effect.mapError(failedBy))

/** Follows a run's jobs, from the first order to the end of the scope. */
const following = Effect.fnUntraced(function* ({ lease, say }: Options) {
  const queue = yield* JobQueue
  const scope = yield* Effect.scope
  const open = new Set<Open>()
  const state = { run: "", pipeline: "", kept: Number.NEGATIVE_INFINITY, away: false }
  const turn = yield* Semaphore.make(1)

  const keep = Effect.gen(function* () {
    if (performance.now() - state.kept < (lease * 1000) / 4) return
    yield* queue.keepRun(state.run, state.pipeline, lease)
    state.kept = performance.now()
  })

  const all = Effect.gen(function* () {
    yield* keep
    if (open.size === 0) return
    // Those asked for after this are not in what is seen.
    const known = [...open]
    const seen = yield* queue.seen(state.run)
    for (const its of known) {
      const row = seen.find(({ id }) => id === its.id)
      if (row !== undefined) yield* relay(its, row.events)
      yield* look(its, row)
    }
    for (const { events, id, outcome } of seen) {
      const last = events.at(-1)
      // Those of a job that has ended go with it.
      if (last !== undefined && outcome === null) yield* queue.forget(id, last)
    }
    if (state.away) yield* say("The queue answers again.")
    state.away = false
  })

  const once = all.pipe(
    Semaphore.withPermit(turn),
    Effect.catch((error: DatabaseError) => {
      if (!error.transient) {
        const { details, error: kind, message } = failedBy(error)
        return Effect.forEach(
          [...open],
          (its) => Deferred.succeed(its.ended, { type: "failed", error: kind, message, details }),
          { discard: true }
        )
      }
      const first = !state.away
      state.away = true
      return first ? say(`${error.message} It is tried again.`) : Effect.void
    }),
    Effect.provideService(JobQueue, queue)
  )

  const begin = Effect.fnUntraced(function* (order: Order) {
    // Not in turn with the looks where there is nothing to begin.
    if (state.run !== "") return
    yield* Effect.gen(function* () {
      if (state.run !== "") return
      yield* patient(queue.keepRun(order.run, order.pipeline, lease))
      state.run = order.run
      state.pipeline = order.pipeline
      state.kept = performance.now()
      const wakings = yield* queue.wakings(`run:${order.run}`)
      const next = Effect.andThen(once, Effect.raceFirst(Queue.take(wakings), Effect.sleep(lookEvery)))
      yield* Effect.forkScoped(Effect.forever(next))
      yield* Effect.addFinalizer(() => Effect.ignore(Effect.timeout(queue.endRun(order.run), "5 seconds")))
    }).pipe(Semaphore.withPermit(turn), Effect.provideService(Scope.Scope, scope))
  })
  return { open, once, begin }
})

const jobOf = ({ pipeline, run, stage }: Order, spec: unknown): Job => ({
  pipeline,
  run,
  name: stage.name,
  why: stage.why,
  forced: stage.forced,
  cacheKey: stage.cacheKey,
  keyParts: stage.keyParts,
  spec
})

const make = Effect.fnUntraced(function* (options: Options) {
  const { lease, places, spec, store } = options
  const queue = yield* JobQueue
  const { begin, once, open } = yield* following(options)

  /** Asks the holder of an order to save and leave, and waits until it has. */
  const leave = (its: Open) =>
    Effect.gen(function* () {
      its.isLeaving = true
      yield* Effect.retry(queue.askToLeave(its.id), { times: 5, schedule: Schedule.spaced("1 second") })
      yield* once
      yield* Deferred.await(its.ended).pipe(Effect.timeout((2 * lease + 60) * 1000))
    }).pipe(Effect.ignore)

  const maker: Executor = {
    make: Effect.fnUntraced(function* (order) {
      const stream = yield* RunStream
      yield* begin(order)
      const label = places[order.stage.name] ?? null
      const asked = { order, job: jobOf(order, spec), label, store }
      const its: Open = {
        ...asked,
        // What is asked for but not waited for goes with the run.
        id: yield* patient(submit(asked)).pipe(Effect.provideService(JobQueue, queue)),
        stream,
        ended: yield* Deferred.make<Ended>(),
        last: [0, -1],
        queuedSince: performance.now(),
        refusedSince: undefined,
        hasToldWaiting: false,
        isLeaving: false
      }
      open.add(its)
      const ended = yield* Deferred.await(its.ended).pipe(
        Effect.onInterrupt(() => leave(its)),
        Effect.ensuring(Effect.sync(() => open.delete(its)))
      )
      if (ended.type === "made") return ended.status
      if (ended.type === "taken back") return ended.type
      if (ended.type !== "failed") return yield* Effect.interrupt
      const { details, error, message } = ended
      return yield* new RemoteFailure({ error, message, details })
    })
  }
  return maker
})

/** Has the stages of the run that is given this made by workers. One run. */
export const layer = (options: Options): Layer.Layer<never, never, JobQueue> =>
  Layer.effect(RemoteExecutor, make(options))
