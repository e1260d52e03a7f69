/** What the server answers: its paths, and the refusals of all others. */
import { Effect, Layer } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { type ApiError, answering, refusal } from "./ApiError.ts"
import { completions } from "./Completions.ts"
import { checkHost, checkStopping, checkToken, type Guard, jsonBody } from "./Guard.ts"
import { infill } from "./Infill.ts"
import * as Metrics from "./Metrics.ts"
import { Scheduler } from "./Scheduler.ts"
import { Served } from "./Served.ts"

type Response = HttpServerResponse.HttpServerResponse

const health = Effect.gen(function* () {
  const scheduler = yield* Scheduler
  return HttpServerResponse.jsonUnsafe({ status: "ok", ...scheduler.load() })
})

const models = Effect.gen(function* () {
  const { created, id, model, sentinels } = yield* Served
  const { sequenceLength, vocabularySize } = model.spec
  return HttpServerResponse.jsonUnsafe({
    object: "list",
    data: [
      {
        id,
        object: "model",
        created,
        owned_by: "trainyard",
        context_length: sequenceLength,
        vocabulary_size: vocabularySize,
        fills_in_the_middle: sentinels !== undefined
      }
    ]
  })
})

const metrics = Effect.gen(function* () {
  const scheduler = yield* Scheduler
  return HttpServerResponse.text(yield* Metrics.page(scheduler.load()), {
    contentType: "text/plain; version=0.0.4; charset=utf-8"
  })
})

/** Path and method of each answer. `/health` needs no token. */
const paths = {
  "/health": "GET",
  "/v1/models": "GET",
  "/metrics": "GET",
  "/v1/completions": "POST",
  "/infill": "POST"
} as const
type Path = keyof typeof paths

const isPath = (path: string): path is Path => Object.hasOwn(paths, path)

/** The path without its query; one that is not served counts as one path, so that callers cannot make new metrics. */
const pathOf = (url: string): string => {
  const path = url.split("?")[0] ?? ""
  return isPath(path) ? path : "other"
}

const notServed = Effect.gen(function* () {
  const { method, url } = yield* HttpServerRequest.HttpServerRequest
  const path = pathOf(url)
  if (isPath(path))
    return yield* refusal(405, `${path} takes ${paths[path]}, not ${method}.`, { allow: paths[path] })
  return yield* refusal(404, `There is nothing at this path. There are ${Object.keys(paths).join(", ")}.`, {
    code: "not_found"
  })
})

/** Whom the server answers, and whether it still does. */
export interface Door {
  readonly guard: Guard
  readonly isStopping: () => boolean
}

/** Checks the caller, answers refusals and failures in one form, and counts. */
const guarded = <R>(
  { guard, isStopping }: Door,
  needsToken: boolean,
  answer: Effect.Effect<Response, ApiError, R>
) =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const checked = Effect.gen(function* () {
      yield* checkHost(guard, request)
      yield* checkStopping(isStopping)
      if (needsToken) yield* checkToken(guard, request)
      return yield* answer
    })
    const response = yield* answering(
      Effect.catchDefect(checked, () =>
        Effect.fail(refusal(500, "The server failed to answer this request."))
      )
    )
    yield* Metrics.request(pathOf(request.url), response.status)
    return response
  })

const fromBody = <R>(answer: (body: unknown) => Effect.Effect<Response, ApiError, R>) =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    return yield* answer(yield* jsonBody(request))
  })

export const layer = (door: Door) =>
  Layer.mergeAll(
    HttpRouter.add("GET", "/health", guarded(door, false, health)),
    HttpRouter.add("GET", "/v1/models", guarded(door, true, models)),
    HttpRouter.add("GET", "/metrics", guarded(door, true, metrics)),
    HttpRouter.add("POST", "/v1/completions", guarded(door, true, fromBody(completions))),
    HttpRouter.add("POST", "/infill", guarded(door, true, fromBody(infill))),
    HttpRouter.add("*", "*", guarded(door, false, notServed))
  )
