/** `POST /infill`: llama.cpp's request for the text at a cursor, as llama.vim sends it. */
import { randomInt } from "node:crypto"
import type { Ended } from "@trainyard/stages/generate/Samples"
import { Effect, Stream } from "effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { invalid } from "./ApiError.ts"
import { write } from "./Choices.ts"
import { dryOf, stopsOf } from "./Completions.ts"
import { asServerError } from "./completionAnswer.ts"
import { fit } from "./Prompts.ts"
import { decode, InfillRequest } from "./Requests.ts"
import { Served } from "./Served.ts"

/** llama.cpp's own defaults, but for `n_predict`, which has no limit there. */
const defaults = { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05, tokens: 128 } as const

/** Milliseconds of a number of tokens, as llama.cpp reports them. */
const timingOf = <Name extends string>(name: Name, count: number, milliseconds: number) => ({
  [`${name}_n`]: count,
  [`${name}_ms`]: milliseconds,
  [`${name}_per_token_ms`]: count === 0 ? 0 : milliseconds / count,
  [`${name}_per_second`]: milliseconds === 0 ? 0 : (1000 * count) / milliseconds
})

/** What a text is before it ends. */
const begun = () => {
  const started = performance.now()
  return {
    content: "",
    tokens: 0,
    started,
    first: started,
    last: started,
    ended: undefined as Ended | undefined
  }
}
type Begun = ReturnType<typeof begun>

/** The fields that are asked for: `timings/prompt_ms` is `prompt_ms` inside `timings`, under the whole name. Names of no field are left out. */
const selected = (answer: Readonly<Record<string, unknown>>, fields: ReadonlyArray<string> | undefined) => {
  if (fields === undefined || fields.length === 0) return answer
  const flat = new Map(Object.entries(answer))
  for (const [name, value] of Object.entries(answer))
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      for (const [inner, part] of Object.entries(value)) flat.set(`${name}/${inner}`, part)
  return Object.fromEntries(fields.flatMap((name) => (flat.has(name) ? [[name, flat.get(name)]] : [])))
}

/** Pieces of other files and the beginning of this one, as one text. */
const beforeCursor = ({
  input_extra: extra = [],
  input_prefix: prefix = "",
  prompt = ""
}: InfillRequest): string =>
  [...extra.map(({ text }) => (text.endsWith("\n") ? text : `${text}\n`)), prefix, prompt].join("")

const askedBy = Effect.fnUntraced(function* (request: InfillRequest) {
  const { model, mostTokens } = yield* Served
  const wanted = request.n_predict ?? Math.min(defaults.tokens, mostTokens)
  const maxTokens = wanted === -1 ? mostTokens : wanted
  if (maxTokens > mostTokens)
    return yield* invalid("n_predict", `n_predict is ${maxTokens}; this server writes ${mostTokens} at most.`)
  const suffix = { param: "input_suffix", text: request.input_suffix ?? "" }
  return {
    prompt: yield* fit(beforeCursor(request), suffix, maxTokens),
    stopToken: model.endTokenId,
    options: {
      temperature: request.temperature ?? defaults.temperature,
      topK: request.top_k === 0 ? undefined : (request.top_k ?? defaults.topK),
      topP: request.top_p ?? defaults.topP,
      minP: request.min_p ?? defaults.minP,
      repetitionPenalty: request.repeat_penalty,
      ...dryOf(request),
      seed: request.seed ?? randomInt(2 ** 31),
      stop: stopsOf(request.stop)
    }
  }
})

const timings = ({ first, last, started, tokens }: Begun, promptTokens: number) => ({
  ...timingOf("prompt", promptTokens, first - started),
  ...timingOf("predicted", tokens, last - first)
})

/** Answers a request with this body. */
export const infill = Effect.fn("infill")(function* (body: unknown) {
  const { id, model } = yield* Served
  const { ignored, request } = yield* decode(InfillRequest, body)
  const asked = yield* askedBy(request)
  const text = begun()
  const limit = request.t_max_predict_ms ?? 0
  const isLate = () => limit > 0 && text.content.includes("\n") && text.last - text.first > limit
  const parts = yield* write([asked])
  yield* parts.pipe(
    Stream.takeUntil((parts) => {
      for (const part of parts ?? []) {
        text.last = performance.now()
        if (text.tokens === 0) text.first = text.last
        if (part.token !== undefined) text.tokens++
        text.content += part.text
        text.ended = part.ended
        if (isLate()) return true
      }
      return false
    }),
    Stream.runDrain,
    Effect.mapError(asServerError)
  )
  const { prompt } = asked
  const answer = {
    index: 0,
    content: text.content,
    model: id,
    stop: true,
    // "time" where t_max_predict_ms ended the text.
    stop_type: text.ended === undefined && isLate() ? "time" : stopType(text.ended),
    tokens_predicted: text.tokens,
    tokens_evaluated: prompt.ids.length,
    // Not counted: texts may take the beginnings of others.
    tokens_cached: 0,
    truncated: prompt.cut > 0,
    suffix_ignored: prompt.suffixIgnored,
    ignored_fields: ignored,
    timings: timings(text, prompt.ids.length),
    generation_settings: { n_ctx: model.spec.sequenceLength, seed: asked.options.seed }
  }
  return HttpServerResponse.jsonUnsafe(selected(answer, request.response_fields))
})

/** llama.cpp's words, and `loop`. */
const stopType = (ended: Ended = { by: "limit" }): string => {
  if (ended.by === "document") return "eos"
  return ended.by === "stop" ? "word" : ended.by
}
