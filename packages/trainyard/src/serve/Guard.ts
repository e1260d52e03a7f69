/**
 * Who may ask. A web page in a browser on this machine can send requests here, and with a name that it has made to mean this machine it could
 * read the answers (DNS rebinding). So the request's Host must be an address, `localhost` or a name that was allowed; and a request that a page
 * of another place made is refused.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import { isIP } from "node:net"
import { ByteSize, Effect, Predicate, Schema } from "effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import { refusal } from "./ApiError.ts"

export interface Guard {
  /** Names, beside addresses and localhost, by which the server may be called. */
  readonly hosts: ReadonlyArray<string>
  /** What requests must bring as a bearer token; none is needed where it is undefined. */
  readonly token: string | undefined
}

/** Refuses requests that come over open connections while the server stops. */
export const checkStopping = (isStopping: () => boolean) =>
  Effect.suspend(() =>
    isStopping()
      ? Effect.fail(refusal(503, "The server is stopping.", { code: "stopping", retryAfterSeconds: 1 }))
      : Effect.void
  )

/** Bytes of a body at most. */
export const mostBodyBytes = 1024 * 1024

/** The name in `name:port`, `[address]:port` or a whole origin; undefined where there is none. */
const nameOf = (authority: string): string | undefined => {
  const url = URL.parse(authority.includes("://") ? authority : `http://${authority}`)
  return url === null || url.hostname === "" ? undefined : url.hostname.replace(/^\[|\]$/g, "").toLowerCase()
}

const isAllowed = (authority: string, hosts: ReadonlyArray<string>): boolean => {
  const name = nameOf(authority)
  return name !== undefined && (isIP(name) !== 0 || name === "localhost" || hosts.includes(name))
}

/** Checks Host and Origin. */
export const checkHost = Effect.fnUntraced(function* (
  { hosts }: Guard,
  { headers }: HttpServerRequest.HttpServerRequest
) {
  const { host = "", origin } = headers
  if (!isAllowed(host, hosts))
    return yield* refusal(
      403,
      `The server does not answer to the name "${host}". Start it with --allow-host NAME to call it so.`,
      { code: "host_not_allowed" }
    )
  if (origin !== undefined && !isAllowed(origin, hosts))
    return yield* refusal(403, `Pages of ${origin} may not use this server.`, { code: "origin_not_allowed" })
})

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

/** Checks the bearer token, in a time that does not depend on where it is wrong. */
export const checkToken = Effect.fnUntraced(function* (
  { token }: Guard,
  { headers }: HttpServerRequest.HttpServerRequest
) {
  if (token === undefined) return
  const given = /^Bearer +(.+?) *$/i.exec(headers.authorization ?? "")?.[1]
  if (given === undefined)
    return yield* refusal(401, "The server needs a token: send the header Authorization: Bearer TOKEN.", {
      code: "missing_token"
    })
  if (!timingSafeEqual(digest(given), digest(token)))
    return yield* refusal(401, "The token is not the server's.", { code: "invalid_token" })
})

const tooLarge = refusal(413, `The body has more than ${mostBodyBytes} bytes.`, { code: "body_too_large" })

const Json = Schema.fromJsonString(Schema.Unknown)

/** The JSON of a body, of at most `mostBodyBytes`, whatever its content type says. */
export const jsonBody = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  if (Number(request.headers["content-length"] ?? 0) > mostBodyBytes) return yield* tooLarge
  const text = yield* request.text.pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(mostBodyBytes)),
    Effect.mapError(({ reason }) =>
      Predicate.hasProperty(reason, "reason") && reason.reason === "BodyTooLarge"
        ? tooLarge
        : refusal(400, "The body was cut off or is not text.")
    )
  )
  return yield* Schema.decodeUnknownEffect(Json)(text).pipe(
    Effect.mapError(() => refusal(400, "The body is not JSON.", { code: "invalid_json" }))
  )
})
