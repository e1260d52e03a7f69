/**
 * A worker: takes one stage after the other from the queue and has its child process make it. The lease of a job is renewed from this process,
 * whose event loop is free, so that a stage that computes for minutes keeps it.
 */
import { Deferred, Effect, Exit, Fiber, Queue, Ref, Schedule, Scope } from "effect"
import type { DatabaseError } from "./Database.ts"
import { type Ending, type Holding, type Identity, JobQueue, type Taken } from "./JobQueue.ts"
import type { Event, Outcome } from "./Messages.ts"
import * as StageHost from "./StageHost.ts"

export interface Options {
  readonly worker: Identity
  readonly program: StageHost.Program
  /** Seconds that a job is this worker's without a sign of life. */
  readonly lease: number
  /** Says to a person what happens. */
  readonly say: (text: string) => Effect.Effect<void>
}

/** A stage process, and the run whose pipeline it opens. */
interface Process {
  readonly host: StageHost.Host
  readonly text: string
  readonly scope: Scope.Closeable
  readonly run: string | undefined
}

/** What a stage says is written this often, so that one that says much costs few statements. */
const gatherFor = "4 millis"

/** Looks for a job this often, should no notification come. */
const lookEvery = "1 second"

/** For a statement that failed because the database is away. What is wrong for good is not tried again. */
const again = {
  schedule: Schedule.spaced("500 millis"),
  while: ({ transient }: DatabaseError) => transient
} as const

/** What may come to a worker while it makes a stage. */
interface Circumstances extends Options {
  readonly wakings: Queue.Dequeue<void>
  /** Done when the worker is to leave. */
  readonly leaving: Deferred.Deferred<void>
}

/** Waits until a lease of so many milliseconds is to be renewed, or something was told. Notifications may come many a second. */
const pause = (milliseconds: number, wakings: Circumstances["wakings"]) =>
  Effect.andThen(
    Effect.sleep("200 millis"),
    Effect.race(Effect.sleep(milliseconds / 4 - 200), Queue.take(wakings))
  )

/**
 * Renews the lease until it is lost, and ends then. The stage process learns how long it has the job; while the database is away that runs out,
 * and the process ends by itself.
 */
const keepLease = Effect.fnUntraced(function* (
  holding: Holding,
  { host, text }: Process,
  { lease, leaving, wakings, worker }: Circumstances,
  asked: Ref.Ref<boolean>,
  since: number
) {
  const queue = yield* JobQueue
  const milliseconds = lease * 1000
  yield* Effect.forkChild(Effect.andThen(Deferred.await(leaving), host.send({ type: "leave" })))
  // A stage that takes a moment needs no more than the lease that it was taken with.
  const left = milliseconds - (performance.now() - since)
  yield* host.lease(Math.max(1, left))
  if (left > milliseconds / 2) yield* pause(milliseconds, wakings)
  for (;;) {
    const start = performance.now()
    const renewal = yield* Effect.option(queue.renew(holding, text, lease))
    if (renewal._tag === "Some") {
      if (renewal.value === "lost") return
      yield* host.lease(milliseconds - (performance.now() - start))
      if (renewal.value === "leave" && !(yield* Ref.getAndSet(asked, true)))
        yield* host.send({ type: "leave" })
      yield* Effect.ignore(queue.keepWorker(worker, lease))
    }
    yield* pause(milliseconds, wakings)
  }
})

const inSeconds = (start: number): string => `${((performance.now() - start) / 1000).toFixed(1)} s`

/** How a job ends here: what becomes of it in the queue, what the run is told, and what the worker's own user is. */
const conclude = (
  name: string,
  worker: string,
  said: Outcome | StageHost.Gone,
  asked: boolean
): { readonly ending: Ending; readonly events: ReadonlyArray<Event>; readonly words: string } => {
  const fault = (kind: string, message: string): Event => ({
    type: "Stage",
    stage: name,
    event: {
      type: "Fault",
      kind,
      message,
      action: "The stage goes to a worker again, which goes on from what was saved."
    }
  })
  const done = (outcome: Outcome): Ending => ({ state: "done", outcome })
  switch (said.type) {
    case "made":
      return { ending: done(said), events: [], words: said.status === "ran" ? "made" : "found made" }
    case "failed":
      return { ending: done(said), events: [], words: `failed: ${said.message}` }
    case "refused": {
      const message = `Worker ${worker} refuses ${name}: ${said.message}.`
      const note: Event = { type: "Stage", stage: name, event: { type: "Note", level: "warning", message } }
      return {
        ending: { state: "queued", lost: false, refusal: message },
        events: [note],
        words: `refused: ${said.message}`
      }
    }
    case "left":
      return asked
        ? { ending: done(said), events: [], words: "left, as the run asked" }
        : {
            ending: { state: "queued", lost: false, refusal: null },
            events: [fault("worker left", `Worker ${worker} was stopped and leaves.`)],
            words: "left; another worker goes on"
          }
    case "gone":
      return {
        ending: { state: "queued", lost: true, refusal: null },
        events: [
          fault("stage process ended", `The process of ${name} on worker ${worker} ended (${said.how}).`)
        ],
        words: `its process ended (${said.how})`
      }
  }
}

/** The event as the coordinator's stream has it: with this worker's name. */
const named = (event: Event, worker: string): Event =>
  event.type === "StageStarted" ? { ...event, worker } : event

/** Hands on what the stage process says until its job has ended. Gives words about it, and whether the process is fit for more. */
const relay = Effect.fnUntraced(function* (
  taken: Taken,
  holding: Holding,
  { host }: Process,
  { worker }: Circumstances,
  asked: Ref.Ref<boolean>
) {
  const queue = yield* JobQueue
  const { name } = taken.job
  for (let position = 0; ; ) {
    const first = yield* host.next
    yield* Effect.sleep(gatherFor)
    const said = [first, ...(yield* host.rest)]
    const events = said.flatMap((each) => (each.type === "event" ? [named(each.event, worker.name)] : []))
    const last = said.flatMap(
      (each): ReadonlyArray<Outcome | StageHost.Gone> =>
        each.type === "ended" ? [each.outcome] : each.type === "gone" ? [each] : []
    )[0]
    const concluded =
      last === undefined ? undefined : conclude(name, worker.name, last, yield* Ref.get(asked))
    const all = [...events, ...(concluded?.events ?? [])]
    const held = yield* queue
      .write(holding, all, position, concluded?.ending ?? null)
      .pipe(Effect.retry(again))
    if (!held) return { words: "no longer this worker's: its lease had ended", fit: false }
    position += all.length
    if (concluded !== undefined)
      return { words: concluded.words, fit: last?.type === "made" || last?.type === "failed" }
  }
})

/** Makes a job's stage in a process. Gives whether the process is fit for more of the run. */
const work = Effect.fnUntraced(function* (
  taken: Taken,
  process: Process,
  circumstances: Circumstances,
  since: number
) {
  const { say, worker } = circumstances
  const { attempt, id, job, lost } = taken
  const start = performance.now()
  const holding: Holding = { worker, id, attempt }
  const asked = yield* Ref.make(false)
  yield* say(`${job.name} of ${job.pipeline} (run ${job.run}${attempt > 1 ? `, attempt ${attempt}` : ""})`)
  yield* process.host.send({ type: "make", job, attempt, lost })
  const lostLease = Effect.andThen(
    keepLease(holding, process, circumstances, asked, since),
    Effect.as(process.host.kill, { words: "no longer this worker's: its lease had ended", fit: false })
  )
  const { fit, words } = yield* Effect.raceFirst(
    relay(taken, holding, process, circumstances, asked),
    lostLease
  )
  yield* process.host.lease(0)
  yield* say(`${job.name}: ${words} (${inSeconds(start)})`)
  return fit
})

/** Starts a stage process, and starts it again should it end at once. */
const startProcess = ({ program, say }: Options): Effect.Effect<Process> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const host = yield* StageHost.make(program).pipe(Effect.provideService(Scope.Scope, scope))
    const text = yield* host.ready.pipe(Effect.onError(() => Scope.close(scope, Exit.void)))
    const process: Process = { host, text, scope, run: undefined }
    return process
  }).pipe(
    Effect.tapError(({ how }) => say(`The stage process cannot be started (${how}). It is tried again.`)),
    Effect.retry(Schedule.spaced("5 seconds")),
    Effect.orDie
  )

/** Renews a lease while the process that is to have the job starts. Ends when the job is no longer this worker's. */
const whileStarting = Effect.fnUntraced(function* (holding: Holding, text: string, { lease }: Circumstances) {
  const queue = yield* JobQueue
  for (;;) {
    yield* Effect.sleep((lease * 1000) / 4)
    const renewal = yield* Effect.option(queue.renew(holding, text, lease))
    if (renewal._tag === "Some" && renewal.value === "lost") return
  }
})

/**
 * The stage process in use, and a spare one that is ready when it is needed: for a job of another run, since a pipeline is opened once in a
 * process, as one run has it, and after a process that ended.
 */
const processes = Effect.fnUntraced(function* (circumstances: Circumstances) {
  const start = startProcess(circumstances)
  let spare: Fiber.Fiber<Process> | undefined
  let current = yield* start
  const close = ({ scope }: Process) => Scope.close(scope, Exit.void)
  return {
    current: Effect.sync(() => current),
    /** Notes which run's pipeline the process opens. */
    use: (run: string) =>
      Effect.sync(() => {
        current = { ...current, run }
        return current
      }),
    /** Starts the spare process, where the one in use is bound to a run. */
    prepare: Effect.gen(function* () {
      if (current.run !== undefined) spare ??= yield* Effect.forkDetach(start)
    }),
    replace: Effect.gen(function* () {
      yield* close(current)
      const ready = spare === undefined ? yield* start : yield* Fiber.join(spare)
      spare = undefined
      // It may have ended while it waited.
      if (yield* ready.host.isGone) {
        yield* close(ready)
        current = yield* start
      } else current = ready
    }),
    stop: Effect.gen(function* () {
      yield* close(current)
      if (spare === undefined) return
      const exit = yield* Effect.andThen(Fiber.interrupt(spare), Fiber.await(spare))
      if (Exit.isSuccess(exit)) yield* close(exit.value)
    })
  }
})
type Processes = Effect.Success<ReturnType<typeof processes>>

/** Makes a job in a process that is fit for its run. */
const makeTaken = Effect.fnUntraced(function* (
  taken: Taken,
  its: Processes,
  circumstances: Circumstances,
  takenAt: number
) {
  const { run } = taken.job
  const before = yield* its.current
  let since = takenAt
  if (before.run !== undefined && before.run !== run) {
    const holding: Holding = { worker: circumstances.worker, id: taken.id, attempt: taken.attempt }
    yield* Effect.race(
      Effect.uninterruptible(its.replace),
      whileStarting(holding, before.text, circumstances)
    )
    // The lease is renewed before anything else, for the new process.
    since = Number.NEGATIVE_INFINITY
  }
  const process = yield* its.use(run)
  if (!(yield* work(taken, process, circumstances, since))) yield* its.replace
})

/** Takes and makes jobs until the worker is to leave. */
const loop = Effect.fnUntraced(function* (circumstances: Circumstances) {
  const queue = yield* JobQueue
  const { lease, leaving, say, wakings, worker } = circumstances
  const its = yield* processes(circumstances)
  let away = false
  let kept = 0
  const turn = Effect.gen(function* () {
    if (yield* (yield* its.current).host.isGone) yield* its.replace
    if (performance.now() - kept > (lease * 1000) / 4) {
      yield* queue.keepWorker(worker, lease)
      yield* queue.sweep
      kept = performance.now()
    }
    const asked = performance.now()
    const taken = yield* queue.take(worker, (yield* its.current).text, lease)
    if (away) yield* say("The queue answers again.")
    away = false
    if (taken === undefined) {
      yield* its.prepare
      return yield* Effect.raceFirst(
        Effect.raceFirst(Queue.take(wakings), Effect.sleep(lookEvery)),
        Deferred.await(leaving)
      )
    }
    yield* makeTaken(taken, its, circumstances, asked)
  }).pipe(
    Effect.catch((error) =>
      Effect.gen(function* () {
        if (!error.transient) return yield* error
        if (!away) yield* say(`${error.message} It is tried again.`)
        away = true
        yield* Effect.sleep(lookEvery)
      })
    )
  )
  const turns = Effect.gen(function* () {
    while (!(yield* Deferred.isDone(leaving))) yield* turn
  })
  yield* Effect.ensuring(turns, its.stop)
})

/** Works until interrupted. Then the stage in hand saves, goes back to the queue, and the worker leaves it. */
export const run = Effect.fn("Worker.run")(function* (options: Options) {
  const queue = yield* JobQueue
  const leaving = yield* Deferred.make<void>()
  const wakings = yield* queue.wakings("queue")
  yield* queue.keepWorker(options.worker, options.lease)
  const working = yield* Effect.forkDetach(loop({ ...options, wakings, leaving }))
  yield* Fiber.join(working).pipe(
    Effect.onInterrupt(() => Effect.andThen(Deferred.succeed(leaving, undefined), Fiber.await(working))),
    Effect.ensuring(Effect.ignore(queue.endWorker(options.worker.id)))
  )
}, Effect.scoped)
