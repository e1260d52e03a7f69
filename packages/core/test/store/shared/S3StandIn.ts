/**
 * A small store with S3's interface for tests: objects in memory behind HTTP. It checks signatures and the digests of what it is sent,
 * honours If-None-Match, lists in pages, and fails when it is told to.
 */
import { createHash } from "node:crypto"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { AwsV4Signer } from "aws4fetch"
import { Effect } from "effect"

export const accessKeyId = "AKIDSTANDIN"
export const secretAccessKey = "stand-in-secret"
export const region = "eu-test-1"
export const bucket = "models"

/** How a request fails: an answer, a connection that is cut before or within it, or one that is never given. */
export type Fault = { readonly status: number; readonly code: string } | "cut" | "cut-body" | "hang"

export interface Asked {
  readonly method: string
  readonly key: string
}

export interface StandIn {
  readonly endpoint: string
  readonly objects: Map<string, { readonly body: Buffer; readonly at: Date }>
  readonly requests: Array<Asked>
  /** Asked about every request; what it gives is done instead. */
  fault: (asked: Asked) => Fault | undefined
  honoursCondition: boolean
  /** Whether it closes the connection after each answer. */
  closes: boolean
  readonly pageSize: number
  readonly environment: Record<string, string>
}

const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

const fail = (response: ServerResponse, status: number, code: string) => {
  response.writeHead(status, { "content-type": "application/xml" })
  response.end(`<?xml version="1.0"?>\n<Error><Code>${code}</Code><Message>said so</Message></Error>`)
}

const bodyOf = async (request: IncomingMessage) => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** The error code of a signature that is not right; undefined for one that is. */
const wrongSignature = async (request: IncomingMessage, url: string) => {
  const given = request.headers.authorization ?? ""
  const credential = /Credential=([^/]+)\/.*SignedHeaders=([^,]+),/.exec(given)
  if (credential === null) return "AccessDenied"
  if (credential[1] !== accessKeyId) return "InvalidAccessKeyId"
  const headers = Object.fromEntries(
    credential[2]!
      .split(";")
      .filter((name) => name !== "host")
      .map((name) => [name, String(request.headers[name] ?? "")])
  )
  const expected = await new AwsV4Signer({
    method: request.method ?? "",
    url,
    headers,
    accessKeyId,
    secretAccessKey,
    region,
    service: "s3",
    datetime: String(request.headers["x-amz-date"])
  }).authHeader()
  return expected === given ? undefined : "SignatureDoesNotMatch"
}

const list = ({ objects, pageSize }: StandIn, query: URLSearchParams) => {
  const prefix = query.get("prefix") ?? ""
  const delimiter = query.get("delimiter")
  const after = query.get("continuation-token") ?? ""
  const entries = new Map<string, string>()
  for (const key of [...objects.keys()].sort()) {
    if (!key.startsWith(prefix)) continue
    const end = delimiter === null ? -1 : key.indexOf(delimiter, prefix.length)
    if (end >= 0) {
      const common = key.slice(0, end + 1)
      entries.set(common, `<CommonPrefixes><Prefix>${escape(common)}</Prefix></CommonPrefixes>`)
    } else {
      const { at, body } = objects.get(key)!
      entries.set(
        key,
        `<Contents><Key>${escape(key)}</Key><LastModified>${at.toISOString()}</LastModified><Size>${body.length}</Size></Contents>`
      )
    }
  }
  const rest = [...entries].filter(([name]) => name > after)
  const page = rest.slice(0, pageSize)
  const more = rest.length > page.length
  const token = more ? `<NextContinuationToken>${escape(page.at(-1)![0])}</NextContinuationToken>` : ""
  return `<?xml version="1.0"?>\n<ListBucketResult><IsTruncated>${more}</IsTruncated>${token}${page.map(([, xml]) => xml).join("")}</ListBucketResult>`
}

const put = async (standIn: StandIn, request: IncomingMessage, response: ServerResponse, key: string) => {
  const body = await bodyOf(request)
  const digest = createHash("sha256").update(body).digest("hex")
  if (request.headers["x-amz-content-sha256"] !== digest)
    return fail(response, 400, "XAmzContentSHA256Mismatch")
  const conditional = standIn.honoursCondition && request.headers["if-none-match"] === "*"
  if (conditional && standIn.objects.has(key)) return fail(response, 412, "PreconditionFailed")
  standIn.objects.set(key, { body, at: new Date() })
  response.end()
}

const answer = async (standIn: StandIn, request: IncomingMessage, response: ServerResponse) => {
  const url = new URL(request.url ?? "/", standIn.endpoint)
  const [, inBucket = "", ...rest] = decodeURIComponent(url.pathname).split("/")
  const key = rest.join("/")
  const asked = {
    method: request.method ?? "",
    key: key === "" ? (url.searchParams.get("prefix") ?? "") : key
  }
  standIn.requests.push(asked)
  if (standIn.closes) response.setHeader("connection", "close")
  const fault = standIn.fault(asked)
  if (fault === "hang") return
  if (fault === "cut") return request.socket.destroy()
  if (fault === "cut-body") {
    const whole = standIn.objects.get(key)?.body ?? Buffer.alloc(10)
    response.writeHead(200, { "content-length": whole.length })
    response.write(whole.subarray(0, Math.floor(whole.length / 2)), () => request.socket.destroy())
    return
  }
  if (fault !== undefined) {
    await bodyOf(request)
    return fail(response, fault.status, fault.code)
  }
  const wrong = await wrongSignature(request, url.href)
  if (wrong !== undefined) return fail(response, 403, wrong)
  if (inBucket !== bucket) return fail(response, 404, "NoSuchBucket")
  if (request.method === "PUT") return put(standIn, request, response, key)
  if (request.method === "DELETE") {
    standIn.objects.delete(key)
    response.writeHead(204)
    return response.end()
  }
  if (key === "") return response.end(list(standIn, url.searchParams))
  const found = standIn.objects.get(key)
  return found === undefined ? fail(response, 404, "NoSuchKey") : response.end(found.body)
}

/** Starts one, until the scope closes. */
export const start = (options: { readonly pageSize?: number } = {}) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<StandIn & { readonly server: Server }>((resolve) => {
          const server = createServer((request, response) => {
            answer(standIn, request, response).catch(() => response.destroy())
          })
          const standIn = {
            endpoint: "",
            objects: new Map<string, { readonly body: Buffer; readonly at: Date }>(),
            requests: [] as Array<Asked>,
            fault: (): Fault | undefined => undefined,
            honoursCondition: true,
            closes: false,
            pageSize: options.pageSize ?? 1000,
            environment: {} as Record<string, string>,
            server
          }
          server.listen(0, "127.0.0.1", () => {
            standIn.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
            standIn.environment = {
              AWS_ENDPOINT_URL: standIn.endpoint,
              AWS_REGION: region,
              AWS_ACCESS_KEY_ID: accessKeyId,
              AWS_SECRET_ACCESS_KEY: secretAccessKey
            }
            resolve(standIn)
          })
        })
    ),
    ({ server }) =>
      Effect.promise(
        () =>
          new Promise<void>((resolve) => {
            server.close(() => resolve())
            server.closeAllConnections()
          })
      )
  )
