/** What S3 answers: its XML errors and listings, and the sentence for each way that it refuses. */
import { Predicate } from "effect"
import type { Listed } from "../Objects.ts"
import { final, passing, type StoreError } from "../StoreError.ts"

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" }

const unescape = (text: string): string =>
  text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|([a-z]+));/gi, (all, decimal, hexadecimal, name) =>
    decimal !== undefined
      ? String.fromCodePoint(Number(decimal))
      : hexadecimal !== undefined
        ? String.fromCodePoint(Number.parseInt(hexadecimal, 16))
        : (entities[name] ?? all)
  )

/** Contents of every element of a name. S3's answers have no attributes on these and nest none in itself. */
const elements = (xml: string, name: string): ReadonlyArray<string> =>
  [...xml.matchAll(new RegExp(`<${name}>([\\s\\S]*?)</${name}>`, "g"))].map(([, content = ""]) => content)

const element = (xml: string, name: string): string => unescape(elements(xml, name)[0] ?? "")

/** The `Code` of an error's answer; empty where it has none. */
export const codeOf = (xml: string): string => element(xml, "Code")

/** One page of a ListObjectsV2 answer. */
export const listing = (xml: string) => ({
  objects: elements(xml, "Contents").map(
    (content): Listed => ({
      key: element(content, "Key"),
      bytes: Number(element(content, "Size")),
      at: Date.parse(element(content, "LastModified"))
    })
  ),
  prefixes: elements(xml, "CommonPrefixes").map((content) => element(content, "Prefix")),
  /** Where the next page begins; empty after the last. */
  next: element(xml, "IsTruncated") === "true" ? element(xml, "NextContinuationToken") : ""
})

const credentialCodes = new Set([
  "AccessDenied",
  "InvalidAccessKeyId",
  "SignatureDoesNotMatch",
  "ExpiredToken",
  "InvalidToken",
  "AllAccessDisabled",
  "AuthorizationHeaderMalformed"
])
const fullCodes = new Set([
  "XMinioStorageFull",
  "InsufficientStorage",
  "QuotaExceeded",
  "InsufficientCapacity"
])
const damageCodes = new Set(["BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody"])

/** The error that an answer means. `doing` continues "… failed": "Uploading artifacts/…". */
export const refusal = (
  store: string,
  bucket: string,
  doing: string,
  status: number,
  code: string
): StoreError => {
  const said = code === "" ? `status ${status}` : `${code}, status ${status}`
  const failed = `${doing} failed`
  if (code === "NoSuchBucket")
    return final(
      store,
      "no-bucket",
      `${failed}: ${store} has no bucket "${bucket}". Make it, or correct the address.`
    )
  if (code === "RequestTimeTooSkewed")
    return final(
      store,
      "credentials",
      `${failed}: ${store} says that this machine's clock is wrong. Set the clock.`
    )
  if ([301, 302, 307, 308].includes(status) || code === "PermanentRedirect")
    return final(
      store,
      "region",
      `${failed}: the bucket "${bucket}" is of another region (${said}). Set AWS_REGION to the bucket's region.`
    )
  if (status === 507 || fullCodes.has(code))
    return final(
      store,
      "full",
      `${failed}: ${store} has no space left (${said}). Free some there, or use another store.`
    )
  if (damageCodes.has(code))
    return passing(
      store,
      "damaged",
      `${failed}: what arrived at ${store} is not what was sent (${said}). Run it again.`
    )
  if (status === 401 || status === 403 || credentialCodes.has(code))
    return final(
      store,
      "credentials",
      `${failed}: ${store} does not accept the credentials for this (${said}). Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, and what the key may do: read, write, list and delete.`
    )
  if (status === 501)
    return final(
      store,
      "no-condition",
      `${failed}: ${store} does not know a header that is needed (${said}). Use a store that honours If-None-Match.`
    )
  if (status === 408 || status === 409 || status === 429 || status >= 500)
    return passing(store, "unavailable", `${failed}: ${store} cannot serve now (${said}). Try again later.`)
  return final(
    store,
    "refused",
    `${failed}: ${store} refused it (${said}). Check the address and the store's own log.`
  )
}

const causeOf = (error: unknown): string => {
  const cause = Predicate.hasProperty(error, "cause") ? error.cause : error
  if (Predicate.hasProperty(cause, "code") && typeof cause.code === "string") return cause.code
  return cause instanceof Error ? cause.message : "no answer"
}

/** The error of a connection that could not be made or that broke. */
export const disconnected = (store: string, endpoint: string, doing: string, error: unknown): StoreError =>
  passing(
    store,
    "network",
    `${doing} failed: ${endpoint} could not be reached, or the connection broke (${causeOf(error)}). Check the network and AWS_ENDPOINT_URL, and run it again.`
  )
