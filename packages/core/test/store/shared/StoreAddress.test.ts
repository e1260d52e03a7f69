import { expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Result } from "effect"
import * as StoreAddress from "../../../src/store/shared/StoreAddress.ts"
import { node } from "./homes.ts"

it("an address is a folder, or a bucket with a prefix", () => {
  expect(StoreAddress.parse("/mnt/team")).toEqual(Result.succeed({ _tag: "Folder", directory: "/mnt/team" }))
  expect(StoreAddress.parse("s3://models")).toEqual(
    Result.succeed({ _tag: "S3", bucket: "models", prefix: "" })
  )
  expect(StoreAddress.parse("s3://models/a//b/")).toEqual(
    Result.succeed({ _tag: "S3", bucket: "models", prefix: "a/b/" })
  )
})

const wrong = [
  ["https://example.org/models", /not https:\/\/.*AWS_ENDPOINT_URL/],
  ["s3://", /no address of a bucket/],
  ["s3://Models/x", /no address of a bucket/],
  ["s3://models/../others", /without them/],
  ["s3://key:hush@models/x", /holds no credentials.*AWS_ACCESS_KEY_ID/]
] as const

for (const [address, words] of wrong)
  it(`${address} is refused with the fix`, () => {
    const error = Result.getOrThrow(Result.flip(StoreAddress.parse(address)))
    expect(error.reason).toBe("address")
    expect(error.message).toMatch(words)
    expect(error.message).not.toContain("hush")
  })

it.effect("without credentials it says which variables to set", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(StoreAddress.open("s3://models/x"))
    expect(error.reason).toBe("credentials")
    expect(error.message).toContain("Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
  }).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown({})),
    Effect.provide(node)
  )
)
