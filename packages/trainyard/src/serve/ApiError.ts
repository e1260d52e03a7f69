/** What a request is refused with: a status and a body in the form of OpenAI's API. */
import { Effect, Schema } from "effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

/** A request that is not answered, and why. */
export class ApiError extends Schema.TaggedError<ApiError>()("ApiError", {
  status: Schema.Int,
  message: Schema.String,
  /** A word for programs, such as `context_length_exceeded`. */
  code: Schema.NullOr(Schema.String),
  /** The field that is wrong. */
  param: Schema.NullOr(Schema.String),
  /** Seconds after which another try makes sense. */
  retryAfterSeconds: Schema.optionalKey(Schema.Int),
  /** Methods of the path, where the method is wrong. */
  allow: Schema.optionalKey(Schema.String)
}) {}

/** The `type` of an error body for a status. */
const typeOf = (status: number): string => {
  if (status === 401) return "authentication_error"
  if (status === 403) return "permission_error"
  if (status === 429) return "rate_limit_error"
  return status < 500 ? "invalid_request_error" : "server_error"
}

/** The body of an error. */
export const bodyOf = ({ code, message, param, status }: ApiError) => ({
  error: { message, type: typeOf(status), param, code }
})

export const refusal = (
  status: number,
  message: string,
  more: Partial<Pick<ApiError, "code" | "param" | "retryAfterSeconds" | "allow">> = {}
): ApiError => new ApiError({ status, message, code: null, param: null, ...more })

/** A field that is wrong. */
export const invalid = (param: string | null, message: string, code: string | null = null): ApiError =>
  refusal(400, message, { param, code })

export const responseOf = (error: ApiError): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(bodyOf(error), {
    status: error.status,
    headers: {
      ...(error.retryAfterSeconds !== undefined && { "retry-after": String(error.retryAfterSeconds) }),
      ...(error.allow !== undefined && { allow: error.allow }),
      ...(error.status === 401 && { "www-authenticate": "Bearer" })
    }
  })

/** Answers refusals. */
export const answering = <R>(
  handler: Effect.Effect<HttpServerResponse.HttpServerResponse, ApiError, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R> =>
  Effect.catch(handler, (error) => Effect.succeed(responseOf(error)))
