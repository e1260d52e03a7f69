/** Signed requests to S3, with time limits and retries. Signing is aws4fetch's. */
import { AwsV4Signer } from "aws4fetch"
import { Context, Duration, Effect, Redacted, Schedule, Schema, type Scope } from "effect"
import { sha256 } from "../../Digest.ts"
import type { StoreError } from "../StoreError.ts"
import * as Answers from "./Answers.ts"
import * as Exchange from "./Exchange.ts"

/** Where a bucket is, and who asks. */
export interface Connection {
  /** `s3://bucket/prefix`. */
  readonly address: string
  readonly bucket: string
  /** What every key begins with: empty, or ends with `/`. */
  readonly prefix: string
  /** URL of the bucket, without a `/` at its end. */
  readonly url: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted
  readonly sessionToken: Redacted.Redacted | undefined
}

/** How long requests may take, and how often a failed one is sent again. */
export const StoreTiming = Context.Reference<{
  /** An answer that begins later, or stops for longer, has failed. An upload has this and a second for each 100 kB. */
  readonly silence: Duration.Duration
  readonly retries: Schedule.Schedule<unknown>
}>("@trainyard/core/store/StoreTiming", {
  defaultValue: () => ({
    silence: Duration.seconds(60),
    // 0.25 s, 0.75 s, 2.25 s, 6.75 s, 20 s: about half a minute in all.
    retries: Schedule.jittered(Schedule.max([Schedule.exponential("250 millis", 3), Schedule.recurs(5)]))
  })
})

export interface Request {
  readonly method: "GET" | "PUT" | "DELETE"
  /** Without the prefix; empty for the bucket itself. */
  readonly key: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: { readonly content: string | Blob; readonly bytes: number; readonly sha256: string }
  readonly ifAbsent?: boolean
  /** Begins a message: "Uploading …". */
  readonly doing: string
}

const nothing = sha256("")
const slowestBytesPerSecond = 100_000

const sign = (connection: Connection, { body, ifAbsent, key, method, query }: Request) => {
  const path = key === "" ? "" : `/${connection.prefix}${key}`
  const search = query === undefined ? "" : `?${new URLSearchParams(query)}`
  return new AwsV4Signer({
    method,
    url: `${connection.url}${path}${search}`,
    headers: {
      "x-amz-content-sha256": body?.sha256 ?? nothing,
      ...(ifAbsent === true ? { "if-none-match": "*" } : {})
    },
    service: "s3",
    region: connection.region,
    accessKeyId: connection.accessKeyId,
    secretAccessKey: Redacted.value(connection.secretAccessKey),
    ...(connection.sessionToken === undefined
      ? {}
      : { sessionToken: Redacted.value(connection.sessionToken) })
  }).sign()
}

/** Fails an effect that gives no sign of life for so long. */
const within = (connection: Connection, doing: string, limit: Duration.Duration) =>
  Effect.timeoutOrElse({
    duration: limit,
    orElse: () =>
      Effect.fail(
        Answers.disconnected(connection.address, connection.url, doing, {
          code: `no answer for ${Math.round(Duration.toSeconds(limit))} s`
        })
      )
  })

/** An answer whose body is read by `chunks`, until the scope closes. */
export interface Answer {
  readonly status: number
  /** The next bytes of the body; undefined after the last. */
  readonly next: Effect.Effect<Uint8Array | undefined, StoreError>
}

const decodeBytes = Schema.decodeUnknownEffect(Schema.instanceOf(Uint8Array))

/** Sends a request once. Fails only where there is no answer; an answer of any status is given. */
const exchange = Effect.fnUntraced(function* (
  connection: Connection,
  request: Request
): Effect.fn.Return<Answer, StoreError, Scope.Scope> {
  const { silence } = yield* StoreTiming
  const { body, doing, method } = request
  const broken = (error: unknown) => Answers.disconnected(connection.address, connection.url, doing, error)
  const controller = yield* Effect.acquireRelease(
    Effect.sync(() => new AbortController()),
    (controller) => Effect.sync(() => controller.abort())
  )
  const uploading = Duration.seconds((body?.bytes ?? 0) / slowestBytesPerSecond)
  const response = yield* Effect.tryPromise({
    try: async () => {
      const { headers, url } = await sign(connection, request)
      return Exchange.send({ method, headers, url, body, signal: controller.signal })
    },
    catch: broken
  }).pipe(within(connection, doing, Duration.sum(silence, uploading)))
  const chunks = response.iterator()
  const next = Effect.tryPromise({ try: () => chunks.next(), catch: broken }).pipe(
    within(connection, doing, silence),
    Effect.flatMap(({ done, value }) =>
      done === true ? Effect.succeed(undefined) : Effect.orDie(decodeBytes(value))
    )
  )
  return { status: response.statusCode ?? 0, next }
})

/** The rest of an answer as text. */
const textOf = Effect.fnUntraced(function* ({ next }: Answer) {
  const chunks: Array<Uint8Array> = []
  for (let chunk = yield* next; chunk !== undefined; chunk = yield* next) chunks.push(chunk)
  return Buffer.concat(chunks).toString("utf8")
})

/**
 * Sends a request until an answer is one of `expected` (or of a success), and hands it to `use`, which is done again with it. Fails with
 * what the last answer means.
 */
export const send = Effect.fnUntraced(function* <A>(
  connection: Connection,
  request: Request,
  expected: ReadonlyArray<number>,
  use: (answer: Answer) => Effect.Effect<A, StoreError>
): Effect.fn.Return<A, StoreError> {
  const { retries } = yield* StoreTiming
  const once = Effect.gen(function* () {
    const answer = yield* exchange(connection, request)
    if ((answer.status >= 200 && answer.status < 300) || expected.includes(answer.status))
      return yield* use(answer)
    const text = yield* textOf(answer)
    return yield* Answers.refusal(
      connection.address,
      connection.bucket,
      request.doing,
      answer.status,
      Answers.codeOf(text)
    )
  }).pipe(Effect.scoped)
  return yield* Effect.retry(once, { schedule: retries, while: (error) => error.transient })
})

/** Sends a request and gives the answer's status and text. A missing bucket is an error also where a missing object is expected. */
export const ask = Effect.fnUntraced(function* (
  connection: Connection,
  request: Request,
  expected: ReadonlyArray<number> = []
) {
  return yield* send(connection, request, expected, (answer) =>
    Effect.flatMap(textOf(answer), (text) => {
      const { status } = answer
      const code = status === 404 ? Answers.codeOf(text) : ""
      return code === "NoSuchBucket"
        ? Effect.fail(Answers.refusal(connection.address, connection.bucket, request.doing, status, code))
        : Effect.succeed({ status, text })
    })
  )
})
