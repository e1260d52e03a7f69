/** Texts as they are written: how each stands, and the streams of their parts. */
import type { Ended, Part } from "@trainyard/stages/generate/Samples"
import { Effect, Stream } from "effect"
import { refusal } from "./ApiError.ts"
import * as Metrics from "./Metrics.ts"
import type { FittedPrompt } from "./Prompts.ts"
import { Scheduler, type Wanted } from "./Scheduler.ts"

/** A text that a request asks for. */
export interface Asked {
  readonly prompt: FittedPrompt
  readonly options: Omit<Wanted["options"], "maxTokens" | "stopToken">
  readonly stopToken: number
}

/** A part of one of a request's texts. */
export interface Piece extends Part {
  /** Number of the text, from 0. */
  readonly index: number
}

/** Where `Retry-After` is guessed: seconds for a queue to move on. */
const retryAfterSeconds = 1

const seconds = () => performance.now() / 1000

/** Submits texts; gives their parts as they come, in one stream, which leaves with the scope. Texts of no tokens end at once. */
export const write = Effect.fn("Choices.write")(function* (asked: ReadonlyArray<Asked>) {
  const scheduler = yield* Scheduler
  const started = seconds()
  const wanted = asked.flatMap(({ options, prompt, stopToken }, index) =>
    prompt.maxTokens > 0
      ? [{ index, wanted: { prompt, options: { ...options, maxTokens: prompt.maxTokens, stopToken } } }]
      : []
  )
  const queues = yield* scheduler
    .submit(wanted.map(({ wanted }) => wanted))
    .pipe(Effect.mapError((error) => refusal(429, error.message, { code: "queue_full", retryAfterSeconds })))
  let made = 0
  let isFirst = true
  const prompt = asked.reduce((sum, { prompt }) => sum + prompt.ids.length, 0)
  yield* Effect.addFinalizer(() => Effect.suspend(() => Metrics.tokens({ prompt, generated: made })))
  const counted = (part: Part) =>
    Effect.suspend(() => {
      if (part.token !== undefined) made++
      if (!isFirst) return Effect.void
      isFirst = false
      return Metrics.firstToken(seconds() - started)
    })
  const streams = queues.map((queue, place) =>
    Stream.fromQueue(queue).pipe(
      Stream.tap(counted),
      Stream.map((part): Piece => ({ ...part, index: wanted[place]!.index }))
    )
  )
  return Stream.mergeAll(streams, { concurrency: "unbounded" })
})

/** How a text ended, in OpenAI's words. */
export const finishReason = (ended: Ended): "stop" | "length" => (ended.by === "limit" ? "length" : "stop")
