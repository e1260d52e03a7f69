/**
 * Who may read the page. Any web site can make a browser send requests to this machine, and other users of the machine can too: so a request must
 * name this server's own address (a name that leads here by DNS rebinding is refused), must not come from another site, and must show the token
 * that only the printed address has.
 */
import { randomBytes, timingSafeEqual } from "node:crypto"
import { Effect } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"

/** A token that cannot be guessed. */
export const newToken = (): string => randomBytes(24).toString("base64url")

/** Nothing but the page's own files may run, load or be asked; other sites may not frame it. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const headers = {
  "content-security-policy": policy,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cache-control": "no-store"
}

/** Cookies are shared by the ports of a machine, so each server has one of its own. */
const cookieName = (port: number) => `trainyard-${port}`

const isEqual = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

export const refuse = (status: number, message: string) =>
  HttpServerResponse.jsonUnsafe({ message }, { status, headers })

/** Hosts that a browser on this machine calls the server by. */
const hostsOf = (port: number) => [`127.0.0.1:${port}`, `localhost:${port}`]

/** Why a request is refused; undefined when it may go on, but for its token. */
const foreign = (request: HttpServerRequest.HttpServerRequest, port: number): string | undefined => {
  const { host = "", origin, "sec-fetch-site": site = "none" } = request.headers
  if (!hostsOf(port).includes(host))
    return `This server answers as 127.0.0.1:${port} only, not as ${JSON.stringify(host)}.`
  const isOwn = origin === undefined || hostsOf(port).some((own) => origin === `http://${own}`)
  // A link from another page may open this one; nothing else that another site starts is answered.
  const isNavigation = request.method === "GET" && request.headers["sec-fetch-mode"] === "navigate"
  const isForeign = !isOwn || !(["none", "same-origin"].includes(site) || isNavigation)
  return isForeign ? "Requests from other sites are refused." : undefined
}

/** The token that a request shows: in its cookie, or as a bearer token for scripts. */
const shown = (request: HttpServerRequest.HttpServerRequest, port: number): string =>
  request.cookies[cookieName(port)] ?? request.headers.authorization?.replace(/^Bearer /, "") ?? ""

/** The address with the token becomes a cookie and an address without it, so that it does not stay in the history. */
const admitted = (url: URL, token: string, port: number) => {
  url.searchParams.delete("token")
  return HttpServerResponse.redirect(`${url.pathname}${url.search}`, {
    headers: { ...headers, "set-cookie": `${cookieName(port)}=${token}; HttpOnly; SameSite=Strict; Path=/` }
  })
}

/** Lets through what may be answered, and gives every answer the headers that protect the page. */
export const guarded =
  (token: string, port: number) =>
  <E, R>(app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const why = foreign(request, port)
      if (why !== undefined) return refuse(403, why)
      const url = new URL(request.url, `http://127.0.0.1:${port}`)
      const given = url.searchParams.get("token")
      if (given !== null && isEqual(given, token) && url.pathname === "/") return admitted(url, token, port)
      if (!isEqual(shown(request, port), token))
        return refuse(
          401,
          "The token is missing or wrong. Open the address that trainyard ui printed, with its token."
        )
      return HttpServerResponse.setHeaders(yield* app, headers)
    })
