/**
 * One request over HTTP and the beginning of its answer. Node's own client rather than `fetch`: that of Node 24 ends the whole process where a
 * server closes a connection whose body is not read as fast as it comes (undici, issue 5360).
 */
import { type IncomingMessage, request as plain } from "node:http"
import { request as secure } from "node:https"
import { Readable } from "node:stream"

export interface Sent {
  readonly method: string
  readonly url: URL
  readonly headers: Headers
  readonly body: { readonly content: string | Blob; readonly bytes: number } | undefined
  /** Ends it, and the reading of its answer. */
  readonly signal: AbortSignal
}

/** Sends a request. Rejects where there is no answer; redirections are not followed. */
export const send = ({ body, headers, method, signal, url }: Sent): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? secure : plain)(url, {
      method,
      signal,
      headers: {
        ...Object.fromEntries(headers),
        ...(body === undefined ? {} : { "content-length": body.bytes })
      }
    })
    request.on("response", (answer) => {
      // Whoever reads is told; an answer that nobody reads to its end may break.
      answer.on("error", () => undefined)
      resolve(answer)
    })
    // Also after the answer has begun, where it is the answer's business.
    request.on("error", reject)
    const content = body?.content
    if (content instanceof Blob) {
      const file = Readable.fromWeb(content.stream())
      file.on("error", (error) => request.destroy(error))
      request.on("close", () => file.destroy())
      file.pipe(request)
    } else request.end(content)
  })
