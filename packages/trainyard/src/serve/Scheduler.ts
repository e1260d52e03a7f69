/**
 * The texts of all requests, on one engine: as many as there are slots are written at once, token by token, the others wait in the order in
 * which they came. A text whose scope closes, because its client went away, leaves at once.
 */
import type { RunError } from "@trainyard/backends/Backend"
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
  readonly prompt: Prompt
  readonly options: SampleOptions
  /** What guides it, where `options` have guidance. */
  readonly guide: Guide | undefined
}

/** Parts of texts as they are written, each with the number of its text; it ends with the last of them. Whoever reads it may add an undefined. */
export type Written = Queue.Queue<Part | undefined, WriteError | Cause.Done>
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
  readonly held: Array<Part>
  /** When some were passed on last, by `performance.now()`. */
  passed: number
}

/** Parts that come so soon after others are passed on together: what a write to a connection costs is that of several tokens. */
const paceMilliseconds = 16

const passHeld = (group: Group): void => {
  Queue.offerAllUnsafe(group.written, group.held.splice(0))
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
  /** Its number in the request. */
  readonly sample: number
  readonly group: Group
  leave: Leave
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
  /** Whether there is something for those who read to take. */
  let hasPassed = false

  const start = (job: Job): void => {
    const { guide, options, prompt } = job.wanted
    const row = sampleRow(model.codec, prompt, options, guide, (part) => {
      if (pass(job.group, { sample: job.sample, ...part })) hasPassed = true
      if (part.ended !== undefined) close(job)
    })
    active.add(job)
    const leave = batch.join({
      prompt: row.prompt,
      // A text that cannot be decoded is its own request's failure.
      next: (logits) =>
        Effect.catchCause(row.next(logits), (cause) => Effect.sync(() => void fail(job, cause)))
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
    const more = yield* batch.step
    // An engine that is done with a short step before this goes on leaves no other fiber its turn.
    if (hasPassed) yield* Effect.yieldNow
    hasPassed = false
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
            written: yield* Queue.unbounded<Part | undefined, WriteError | Cause.Done>(),
            jobs: new Set(),
            held: [],
            passed: Number.NEGATIVE_INFINITY
          }
          for (const [sample, wanted] of texts.entries()) {
            const job: Job = { wanted, sample, group, leave: () => undefined }
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
