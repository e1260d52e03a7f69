/** Texts as they are written: how each stands, and the streams of their parts. */
import { Guide } from "@trainyard/stages/generate/Guide"
import type { Ended } from "@trainyard/stages/generate/Samples"
import { type Duration, Effect, Queue, Stream } from "effect"
import { type ApiError, invalid, refusal } from "./ApiError.ts"
import * as Metrics from "./Metrics.ts"
import type { FittedPrompt } from "./Prompts.ts"
import { Scheduler, type Wanted } from "./Scheduler.ts"

/** A text that a request asks for. */
export interface Asked {
  readonly prompt: FittedPrompt
  readonly options: Omit<Wanted["options"], "maxTokens" | "stopToken">
  readonly stopToken: number
}

/** Where `Retry-After` is guessed: seconds for a queue to move on. */
const retryAfterSeconds = 1

const seconds = () => performance.now() / 1000

/** A text as the scheduler takes it. Fails where its prompt cannot be guided. */
const wantedOf = ({ options, prompt, stopToken }: Asked, sample: number): Effect.Effect<Wanted, ApiError> => {
  const { guidance } = options
  const guide =
    guidance === undefined
      ? Effect.succeed(undefined)
      : Guide.begin(guidance, prompt.text, prompt.maxTokens).pipe(
          Effect.mapError(({ message }) => invalid("grammar", message, "grammar_unusable"))
        )
  const stop = [...(options.stop ?? []), ...prompt.stops]
  const all = { ...options, maxTokens: prompt.maxTokens, stop, stopToken }
  return Effect.map(guide, (guide) => ({ sample, prompt, options: all, guide }))
}

/**
 * Submits texts; gives their parts in one stream, those that come together as one array, each with the number of its text. The texts leave with
 * the scope. A text of no tokens has no part. With `heartbeat`, an undefined is among them so often, so that a connection that is gone shows
 * while a text waits.
 */
export const write = Effect.fn("Choices.write")(function* (
  asked: ReadonlyArray<Asked>,
  heartbeat?: Duration.Input
) {
  const scheduler = yield* Scheduler
  const started = seconds()
  const numbers = [...asked.keys()].filter((index) => asked[index]!.prompt.maxTokens > 0)
  const wanted = yield* Effect.forEach(numbers, (index) => wantedOf(asked[index]!, index))
  const written = yield* scheduler
    .submit(wanted)
    .pipe(Effect.mapError((error) => refusal(429, error.message, { code: "queue_full", retryAfterSeconds })))
  let generated = 0
  let first: number | undefined
  const prompt = asked.reduce((sum, { prompt }) => sum + prompt.ids.length, 0)
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => Metrics.written({ prompt, generated, firstSeconds: first }))
  )
  if (heartbeat !== undefined)
    yield* Effect.sleep(heartbeat).pipe(
      Effect.andThen(Queue.offer(written, undefined)),
      Effect.forever,
      Effect.forkScoped
    )
  return Stream.fromQueue(written).pipe(
    Stream.map((parts) => {
      if (parts === undefined) return undefined
      first ??= seconds() - started
      for (const part of parts) if (part.token !== undefined) generated++
      return parts
    })
  )
})

/** How a text ended, in OpenAI's words. */
export const finishReason = (ended: Ended): "stop" | "length" => (ended.by === "limit" ? "length" : "stop")
