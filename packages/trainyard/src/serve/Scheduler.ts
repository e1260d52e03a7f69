/**
 * The texts of all requests, on one engine: as many as there are slots are written at once, token by token, the others wait in the order in
 * which they came. A text whose scope closes, because its client went away, leaves at once.
 */
import type { RunError } from "@trainyard/backends/Backend"
import { isKnown } from "@trainyard/stages/generate/Batch"
import { ContinuousBatch, type Leave } from "@trainyard/stages/generate/ContinuousBatch"
import type { Guide } from "@trainyard/stages/generate/Guide"
import { type Part, type Prompt, type SampleOptions, sampleRow } from "@trainyard/stages/generate/Samples"
import type { OpenedSlots } from "@trainyard/stages/generate/Slots"
import type { TokenizerMismatch } from "@trainyard/stages/tokenize/TokenizerError"
import { Cause, Context, Effect, Latch, Layer, Queue, Schema, type Scope } from "effect"

/** More texts wait than may. */
export class QueueFull extends Schema.TaggedError<QueueFull>()("QueueFull", {
  asked: Schema.Int,
  waiting: Schema.Int
}) {
  override get message() {
    const more = this.asked === 1 ? "another text" : `${this.asked} more texts`
    return `There is no place for ${more}: ${this.waiting} wait already. Try again later, or start the server with a larger --queue.`
  }
}

/** A text to be written. */
export interface Wanted {
  /** Its number in the request, which its parts have. */
  readonly sample: number
  readonly prompt: Prompt
  readonly options: SampleOptions
  /** What guides it, where `options` have guidance. */
  readonly guide: Guide | undefined
}

/** Parts of texts, those that are passed on together; it ends with the last of them. Whoever reads it may add an undefined. */
export type Written = Queue.Queue<ReadonlyArray<Part> | undefined, WriteError | Cause.Done>
export type WriteError = RunError | TokenizerMismatch

/** How many texts there are. */
export interface Load {
  readonly active: number
  readonly waiting: number
  readonly slots: number
}

export class Scheduler extends Context.Service<
  Scheduler,
  {
    /** Takes all of these texts or none. They leave when the scope closes, and when one of them fails. */
    readonly submit: (texts: ReadonlyArray<Wanted>) => Effect.Effect<Written, QueueFull, Scope.Scope>
    readonly load: () => Load
  }
>()("trainyard/serve/Scheduler") {}

/** The texts of a request that are not over. */
interface Group {
  readonly written: Written
  readonly jobs: Set<Job>
  /** Parts that are not passed on yet. */
  held: Array<Part>
  /** When some were passed on last, by `performance.now()`. */
  passed: number
}

/** Parts that come so soon after others are passed on together: what a write to a connection costs is that of several tokens. */
const paceMilliseconds = 32

const passHeld = (group: Group): void => {
  if (group.held.length === 0) return
  Queue.offerUnsafe(group.written, group.held)
  group.held = []
}

/**
 * Passes a part on, at once where it is a request's first or a text's last; gives whether it did. The next part of a text, or its end, takes held ones
 * along.
 */
const pass = (group: Group, part: Part): boolean => {
  group.held.push(part)
  const now = performance.now()
  if (part.ended === undefined && now - group.passed < paceMilliseconds) return false
  group.passed = now
  passHeld(group)
  return true
}

/** A text from its request to its end. */
interface Job {
  readonly wanted: Wanted
  readonly group: Group
  leave: Leave
}

/**
 * Whether those who read have had their turn since something was passed on. While an engine computes on other threads they have it; one that
 * computes here, or is done before the event loop goes on, leaves them none.
 */
const makeDeliveries = () => {
  let passed = 0
  let seen = 0
  return {
    passedOn: (): void => {
      if (passed++ === seen)
        setImmediate(() => {
          seen = passed
        })
    },
    /** How much was passed on so far. */
    get passed(): number {
      return passed
    },
    /** Whether that much was seen. */
    wereSeen: (much: number): boolean => seen >= much
  }
}

/** What texts are written with. */
export interface Writing {
  readonly generator: OpenedSlots["generator"]
  readonly model: Pick<OpenedSlots["model"], "codec">
}

/** Takes a text away, wherever it is. */
const close = (job: Job): void => {
  const { jobs, written } = job.group
  if (!jobs.delete(job)) return
  job.leave()
  if (jobs.size === 0) Queue.endUnsafe(written)
}

const closeAll = ({ jobs, written }: Group): void => {
  for (const job of [...jobs]) close(job)
  Queue.endUnsafe(written)
}

const fail = ({ group }: Job, cause: Cause.Cause<WriteError>): void => {
  passHeld(group)
  Queue.failCauseUnsafe(group.written, cause)
  closeAll(group)
}

const make = Effect.fnUntraced(function* (
  { generator, model }: Writing,
  { mostWaiting }: { readonly mostWaiting: number }
) {
  const batch = new ContinuousBatch<never>(generator)
  const waiting: Array<Job> = []
  const active = new Set<Job>()
  const arrived = yield* Latch.make()
  const deliveries = makeDeliveries()

  const start = (job: Job): void => {
    const { guide, options, prompt } = job.wanted
    const { sample } = job.wanted
    const emit = (part: Part): void => {
      if (pass(job.group, part)) deliveries.passedOn()
      if (part.ended !== undefined) close(job)
    }
    const row = sampleRow(model.codec, prompt, options, guide, emit, sample)
    active.add(job)
    // A text that cannot be written is its own request's failure.
    const ended = (cause: Cause.Cause<WriteError>): undefined => void fail(job, cause)
    const leave = batch.join({
      prompt: row.prompt,
      next: (logits) => {
        try {
          const next = row.next(logits)
          return isKnown(next) ? next : Effect.catchCause(next, (cause) => Effect.sync(() => ended(cause)))
        } catch (defect) {
          return ended(Cause.die(defect))
        }
      }
    })
    job.leave = () => {
      active.delete(job)
      leave()
    }
  }

  const admit = (): void => {
    while (batch.free > 0) {
      const job = waiting.shift()
      if (job === undefined) return
      start(job)
    }
  }

  const goOn = Effect.gen(function* () {
    // Before it looks, so that what comes meanwhile opens it again.
    arrived.closeUnsafe()
    admit()
    const { passed } = deliveries
    const more = yield* batch.step
    if (!deliveries.wereSeen(passed)) yield* Effect.yieldNow
    if (!more) yield* arrived.await
  })
  yield* goOn.pipe(
    // The engine's failure ends what it was writing; the next request finds out whether it lasts.
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.failCause(cause)
        : Effect.sync(() => {
            for (const job of [...active]) fail(job, cause)
          })
    ),
    Effect.forever,
    Effect.forkScoped
  )

  return Scheduler.of({
    load: () => ({ active: active.size, waiting: waiting.length, slots: generator.slots }),
    submit: (texts) =>
      Effect.acquireRelease(
        Effect.gen(function* () {
          const places = generator.slots - active.size + mostWaiting
          if (waiting.length + texts.length > places)
            return yield* new QueueFull({ asked: texts.length, waiting: waiting.length })
          const group: Group = {
            written: yield* Queue.unbounded<ReadonlyArray<Part> | undefined, WriteError | Cause.Done>(),
            jobs: new Set(),
            held: [],
            passed: Number.NEGATIVE_INFINITY
          }
          for (const wanted of texts) {
            const job: Job = { wanted, group, leave: () => undefined }
            job.leave = () => void waiting.splice(waiting.indexOf(job), 1)
            group.jobs.add(job)
            waiting.push(job)
          }
          if (texts.length === 0) Queue.endUnsafe(group.written)
          arrived.openUnsafe()
          return group
        }),
        (group) => Effect.sync(() => closeAll(group))
      ).pipe(Effect.map(({ written }) => written))
  })
})

export const layer = (opened: Writing, limits: { readonly mostWaiting: number }): Layer.Layer<Scheduler> =>
  Layer.effect(Scheduler, make(opened, limits))
