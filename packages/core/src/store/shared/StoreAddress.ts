/**
 * Addresses of stores: a folder, or `s3://bucket/prefix`. Endpoint, region and credentials of S3 come from the usual variables:
 * AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_REGION or AWS_DEFAULT_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN.
 */
import { Config, Effect, Option, Redacted, Result } from "effect"
import * as FolderObjects from "./FolderObjects.ts"
import { final, type StoreError } from "./StoreError.ts"
import type { Connection } from "./s3/Requests.ts"

export type Parsed =
  | { readonly _tag: "Folder"; readonly directory: string }
  | { readonly _tag: "S3"; readonly bucket: string; readonly prefix: string }

const wrong = (address: string, why: string): Result.Result<never, StoreError> =>
  Result.fail(final(address, "address", why))

/** Reads an address. Nothing is asked of the store. */
export const parse = (address: string): Result.Result<Parsed, StoreError> => {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(address)?.[1]?.toLowerCase()
  if (scheme === undefined) return Result.succeed({ _tag: "Folder", directory: address })
  if (scheme !== "s3")
    return wrong(
      `${scheme}://`,
      `A store is a folder or s3://bucket/prefix, and not ${scheme}://. For another service with S3's interface, set AWS_ENDPOINT_URL to its address.`
    )
  const rest = address.slice("s3://".length)
  // Not repeated in the message: it may hold a secret.
  if (rest.includes("@"))
    return wrong(
      "s3://",
      "The address of a store holds no credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and write s3://bucket/prefix."
    )
  const match = /^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/+([A-Za-z0-9._/-]*))?$/.exec(rest)
  if (match === null)
    return wrong(
      address,
      `${address} is no address of a bucket. Write s3://bucket/prefix; a prefix has letters, digits and . _ - /.`
    )
  const prefix = (match[2] ?? "").split("/").filter((part) => part !== "")
  if (prefix.some((part) => part === "." || part === ".."))
    return wrong(address, `${address} has a prefix with "." or "..". Write s3://bucket/prefix without them.`)
  return Result.succeed({
    _tag: "S3",
    bucket: match[1]!,
    prefix: prefix.map((part) => `${part}/`).join("")
  })
}

const variable = (name: string) =>
  Config.option(Config.NonEmptyString(name)).pipe(
    Effect.map(Option.getOrUndefined),
    Effect.orElseSucceed(() => undefined)
  )

const secret = (name: string) =>
  Effect.map(variable(name), (value) => (value === undefined ? undefined : Redacted.make(value)))

/** URL of a bucket: below the endpoint's address, or a host of its own at Amazon. */
const urlOf = (endpoint: string | undefined, region: string, bucket: string): string =>
  endpoint !== undefined
    ? `${endpoint.replace(/\/+$/, "")}/${bucket}`
    : // A certificate for *.s3.… does not cover a name with dots.
      bucket.includes(".")
      ? `https://s3.${region}.amazonaws.com/${bucket}`
      : `https://${bucket}.s3.${region}.amazonaws.com`

const connect = Effect.fnUntraced(function* (address: string, bucket: string, prefix: string) {
  const endpoint = (yield* variable("AWS_ENDPOINT_URL_S3")) ?? (yield* variable("AWS_ENDPOINT_URL"))
  if (endpoint !== undefined && !(URL.canParse(endpoint) && /^https?:/.test(endpoint)))
    return yield* final(
      address,
      "address",
      "AWS_ENDPOINT_URL is no address. Write it with http:// or https://, such as http://127.0.0.1:9000."
    )
  const region = (yield* variable("AWS_REGION")) ?? (yield* variable("AWS_DEFAULT_REGION")) ?? "us-east-1"
  const accessKeyId = yield* variable("AWS_ACCESS_KEY_ID")
  const secretAccessKey = yield* secret("AWS_SECRET_ACCESS_KEY")
  if (accessKeyId === undefined || secretAccessKey === undefined)
    return yield* final(
      address,
      "credentials",
      `${address} needs credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.`
    )
  const connection: Connection = {
    address,
    bucket,
    prefix,
    url: urlOf(endpoint, region, bucket),
    region,
    accessKeyId,
    secretAccessKey,
    sessionToken: yield* secret("AWS_SESSION_TOKEN")
  }
  return connection
})

/** Opens the objects of a store. Asks nothing of it yet. */
export const open = Effect.fnUntraced(function* (address: string) {
  const parsed = yield* Effect.fromResult(parse(address))
  if (parsed._tag === "Folder") return yield* FolderObjects.make(parsed.directory)
  const connection = yield* connect(address, parsed.bucket, parsed.prefix)
  // Loaded for S3 alone, so that no other command waits for it.
  const S3Objects = yield* Effect.promise(() => import("./s3/S3Objects.ts"))
  return yield* S3Objects.make(connection)
})
