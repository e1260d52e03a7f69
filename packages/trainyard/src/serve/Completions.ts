/** `POST /v1/completions`: OpenAI's completions, whole or as server-sent events. */
import { randomInt, randomUUID } from "node:crypto"
import { Effect } from "effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { invalid } from "./ApiError.ts"
import { type Asked, write } from "./Choices.ts"
import { type Answer, whole } from "./completionAnswer.ts"
import { events, heartbeat } from "./completionEvents.ts"
import { fit, type Given } from "./Prompts.ts"
import { CompletionRequest, decode } from "./Requests.ts"
import { Served } from "./Served.ts"

/** OpenAI's own defaults. */
const defaults = { max_tokens: 16, temperature: 1, n: 1 } as const

/** One list of prompts from the four forms in which they may come. */
const promptsOf = (prompt: CompletionRequest["prompt"]): ReadonlyArray<Given> => {
  if (prompt === undefined) return [""]
  if (typeof prompt === "string") return [prompt]
  const isIds = prompt.every((item) => typeof item === "number")
  return isIds
    ? [prompt.filter((item) => typeof item === "number")]
    : prompt.filter((item) => typeof item !== "number")
}

/** The settings of DRY. */
export const dryOf = (
  request: Pick<CompletionRequest, "dry_allowed_length" | "dry_base" | "dry_multiplier">
) => ({
  dryMultiplier: request.dry_multiplier,
  dryBase: request.dry_base,
  dryAllowedLength: request.dry_allowed_length
})

/** Stop texts as a list. */
export const stopsOf = (stop: string | ReadonlyArray<string> | undefined): ReadonlyArray<string> =>
  typeof stop === "string" ? [stop] : (stop ?? [])

/** What a request asks for that this server or this model does not do. */
const contradiction = Effect.fnUntraced(function* (request: CompletionRequest, count: number) {
  const { mostTexts, mostTokens } = yield* Served
  if ((request.max_tokens ?? 0) > mostTokens)
    return yield* invalid(
      "max_tokens",
      `max_tokens is ${request.max_tokens}; this server writes ${mostTokens} at most.`
    )
  if (count > mostTexts)
    return yield* invalid(
      "n",
      `The request asks for ${count} texts; this server writes ${mostTexts} for one request.`
    )
  if (request.logprobs !== undefined && request.echo === true)
    return yield* invalid(
      "echo",
      "The prompt's log-probabilities are not computed: leave echo or logprobs out."
    )
  if (request.suffix !== undefined && request.echo === true)
    return yield* invalid("echo", "echo repeats a prompt and suffix follows it: leave one of them out.")
  if (request.suffix !== undefined && request.grammar !== undefined)
    return yield* invalid(
      "grammar",
      "A grammar guides what follows a prompt, not a middle: leave suffix or grammar out."
    )
  if (request.redeclaration_penalty !== undefined && request.grammar === undefined)
    return yield* invalid("redeclaration_penalty", "redeclaration_penalty needs grammar.")
  if (request.stream_options !== undefined && request.stream !== true)
    return yield* invalid("stream_options", "stream_options needs stream.")
})

/** The texts that a request asks for: text i of prompt p, both from 0, is number p · n + i and is drawn with seed + i. */
const askedBy = Effect.fnUntraced(function* (request: CompletionRequest) {
  const { grammars, model } = yield* Served
  const prompts = promptsOf(request.prompt)
  const n = request.n ?? defaults.n
  yield* contradiction(request, prompts.length * n)
  const guidance = request.grammar === undefined ? undefined : yield* grammars(request.grammar)
  const seed = request.seed ?? randomInt(2 ** 31)
  const suffix = request.suffix === undefined ? undefined : { param: "suffix", text: request.suffix }
  const asked: Array<Asked> = []
  for (const given of prompts) {
    const prompt = yield* fit(given, suffix, request.max_tokens ?? defaults.max_tokens)
    for (let index = 0; index < n; index++)
      asked.push({
        prompt,
        stopToken: model.endTokenId,
        options: {
          temperature: request.temperature ?? defaults.temperature,
          topK: request.top_k === 0 ? undefined : request.top_k,
          topP: request.top_p,
          minP: request.min_p,
          repetitionPenalty: request.repetition_penalty,
          ...dryOf(request),
          seed: seed + index,
          stop: stopsOf(request.stop),
          loopStop: request.loop_stop,
          logprobs: request.logprobs,
          redeclarationPenalty: request.redeclaration_penalty,
          guidance
        }
      })
  }
  return asked
})

/** Answers a request with this body. */
export const completions = Effect.fn("completions")(function* (body: unknown) {
  const { created: _, id: model, model: loaded } = yield* Served
  const { ignored, request } = yield* decode(CompletionRequest, body)
  const asked = yield* askedBy(request)
  const answer: Answer = {
    head: {
      id: `cmpl-${randomUUID()}`,
      object: "text_completion",
      created: Math.floor(Date.now() / 1000),
      model
    },
    asked,
    ignored,
    echo: request.echo === true,
    codec: loaded.codec
  }
  const parts = yield* write(asked, request.stream === true ? heartbeat : undefined)
  if (request.stream !== true) return HttpServerResponse.jsonUnsafe(yield* whole(answer, parts))
  return HttpServerResponse.stream(events(answer, parts, request.stream_options?.include_usage === true), {
    contentType: "text/event-stream; charset=utf-8",
    headers: { "cache-control": "no-store", "x-accel-buffering": "no" }
  })
})
