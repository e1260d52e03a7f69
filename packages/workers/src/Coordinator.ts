/**
 * The coordinator of a run: puts the stages that must be made into the queue, hands on their events in order, and gives the stage of a worker
 * that vanished to another one. It is the run's own process; the workers know it by its run.
 */
import { Elsewhere, FailedElsewhere, type Maker, type Order } from "@trainyard/core/Elsewhere"
import { RunStream } from "@trainyard/core/EventStream"
import { Deferred, Effect, Layer, Queue, Schedule, Scope, Semaphore } from "effect"
import type { DatabaseError } from "./Database.ts"
import { JobQueue, type Published, type Seen } from "./JobQueue.ts"
import type { Job, Outcome } from "./Messages.ts"

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

/** A stage whose worker was lost this often without saving anything in between has something wrong with itself. */
const mostLosses = 10

/** Looks this often, should no notification come. */
const lookEvery = "1 second"

/** A stage that stays in the queue for longer says so. */
const quietSeconds = 2

/** A stage that all workers have refused waits this long for another one. */
const refusedSeconds = 3

type Ended = { readonly type: "taken back" } | Outcome

/** An order that is being made. */
interface Open {
  /** The row of the queue; changes when the queue lost it. */
  id: string
  readonly order: Order
  readonly job: Job
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

const make = Effect.fnUntraced(function* ({ lease, places, say, spec, store }: Options) {
  const queue = yield* JobQueue
  const open = new Set<Open>()
  const state = { run: "", pipeline: "", kept: Number.NEGATIVE_INFINITY, away: false }
  const turn = yield* Semaphore.make(1)

  const submit = (order: Order, job: Job) =>
    queue.submit(job, order.stage.node.stage.name, places[order.stage.name] ?? null, store)

  /** Hands on what came, each event once. */
  const relay = Effect.fnUntraced(function* (published: ReadonlyArray<Published>) {
    const read = new Map<string, Published>()
    for (const each of published) {
      read.set(each.job, each)
      const its = [...open].find(({ id }) => id === each.job)
      if (its === undefined || !isAfter(each, its.last)) continue
      its.last = [each.attempt, each.position]
      if (each.event.type === "StageStarted") yield* its.order.onBegin
      yield* its.stream.publish(each.event)
    }
    for (const each of read.values()) yield* queue.forget(each)
  })

  const fault = ({ job, stream }: Open, kind: string, message: string, action: string) =>
    stream.publish({ type: "Stage", stage: job.name, event: { type: "Fault", kind, message, action } })

  const fail = (its: Open, error: string, message: string) =>
    Effect.andThen(
      Effect.ignore(queue.remove(its.id)),
      Deferred.succeed(its.ended, { type: "failed", error, message, details: null } as const)
    )

  /** A stage in the queue that nobody has taken yet. */
  const waiting = Effect.fnUntraced(function* (its: Open, seen: Seen) {
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
    const label = places[name]
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

  const look = Effect.fnUntraced(function* (its: Open, seen: Seen | undefined) {
    // The queue has lost it, as when this process was stopped for long: it is asked for again.
    if (seen === undefined) {
      if (its.isLeaving) return yield* Deferred.succeed(its.ended, { type: "left" })
      its.id = yield* submit(its.order, its.job)
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
      yield* Effect.ignore(queue.remove(its.id))
      return yield* Deferred.succeed(its.ended, outcome)
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

  const keep = Effect.gen(function* () {
    if (performance.now() - state.kept < (lease * 1000) / 4) return
    yield* queue.keepRun(state.run, state.pipeline, lease)
    state.kept = performance.now()
  })

  const once = Effect.gen(function* () {
    if (state.run === "") return
    yield* keep
    if (open.size === 0) return
    // Those asked for after this are not in what is seen.
    const known = [...open]
    const all = yield* queue.seen(state.run)
    yield* relay(yield* queue.published(state.run))
    for (const its of known)
      yield* look(
        its,
        all.find(({ id }) => id === its.id)
      )
    if (state.away) yield* say("The queue answers again.")
    state.away = false
  }).pipe(
    Semaphore.withPermit(turn),
    Effect.catch((error: DatabaseError) => {
      const first = !state.away
      state.away = true
      return first ? say(`${error.message} It is tried again.`) : Effect.void
    })
  )

  const follow = Effect.fnUntraced(function* (run: string) {
    const wakings = yield* queue.wakings(`run:${run}`)
    yield* Effect.forkScoped(
      Effect.forever(Effect.andThen(once, Effect.raceFirst(Queue.take(wakings), Effect.sleep(lookEvery))))
    )
  })
  const scope = yield* Effect.scope
  const patient = <A>(statement: Effect.Effect<A, DatabaseError>): Effect.Effect<A> =>
    Effect.retry(statement, Schedule.spaced("500 millis")).pipe(Effect.orDie)

  const begin = (order: Order) =>
    Effect.gen(function* () {
      if (state.run !== "") return
      yield* queue.keepRun(order.run, order.pipeline, lease).pipe(patient)
      state.run = order.run
      state.pipeline = order.pipeline
      state.kept = performance.now()
      yield* follow(order.run).pipe(Effect.provideService(Scope.Scope, scope))
      yield* Scope.addFinalizer(scope, Effect.ignore(Effect.timeout(queue.endRun(order.run), "5 seconds")))
    }).pipe(Semaphore.withPermit(turn))

  /** Asks the holder of an order to save and leave, and waits until it has. */
  const leave = (its: Open) =>
    Effect.gen(function* () {
      its.isLeaving = true
      yield* queue.askToLeave(its.id).pipe(Effect.retry({ times: 5, schedule: Schedule.spaced("1 second") }))
      yield* once
      yield* Deferred.await(its.ended).pipe(Effect.timeout((2 * lease + 60) * 1000))
    }).pipe(Effect.ignore)

  const asked: Maker["make"] = (order) =>
    Effect.gen(function* () {
      const stream = yield* RunStream
      yield* begin(order)
      const { stage } = order
      const job: Job = {
        pipeline: order.pipeline,
        run: order.run,
        name: stage.name,
        why: stage.why,
        forced: stage.forced,
        cacheKey: stage.cacheKey,
        keyParts: stage.keyParts,
        spec
      }
      const its: Open = {
        // What is asked for but not waited for goes with the run.
        id: yield* submit(order, job).pipe(patient),
        order,
        job,
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
      switch (ended.type) {
        case "made":
          return ended.status
        case "taken back":
          return "taken back"
        case "failed":
          return yield* new FailedElsewhere({
            error: ended.error,
            message: ended.message,
            details: ended.details
          })
        case "refused":
        case "left":
          return yield* Effect.interrupt
      }
    })
  const maker: Maker = { make: asked }
  return maker
})

/** Has the stages of the run that is given this made by workers. One run. */
export const layer = (options: Options): Layer.Layer<never, never, JobQueue> =>
  Layer.effect(Elsewhere, make(options))
