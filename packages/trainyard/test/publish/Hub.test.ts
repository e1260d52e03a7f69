/** What the Hub answers when it does not take a model, in sentences without the token. */
import { Effect, Redacted } from "effect"
import { afterAll, expect, test } from "vitest"
import * as Hub from "../../src/publish/Hub.ts"
import { standIn } from "./hub.ts"

const token = "hf_abcdefghijklmnop"
const hub = await standIn(token)
afterAll(() => hub.close())

const upload = (own: string, address = hub.address) =>
  Hub.upload(
    { repo: "team/small", hub: address, token: Redacted.make(own) },
    [{ path: "README.md", content: new Blob(["# A model"]) }],
    { isPublic: true, title: "A title" }
  )

const failure = (own: string, address?: string) => Effect.runPromise(Effect.flip(upload(own, address)))

test("a token that may not write, and a Hub that is not there, are said so", async () => {
  const wrong = await failure("hf_zyxwvutsrq")
  expect(wrong.message).toMatch(
    /^http:\S+ does not let this token write to team\/small \(401\)\. Set HF_TOKEN to a token of team with write access, from \S+\.$/
  )
  const away = await failure(token, "http://127.0.0.1:9")
  expect(away.message).toMatch(
    /^http:\S+ cannot be reached, or broke off: .*Check the network, and run the same again\.$/
  )
  for (const { message } of [wrong, away]) expect(message).not.toMatch(/hf_/)
  expect(hub.repositories.size).toBe(0)
})

test("a repository is public where that is asked for, and files of an earlier commit stay", async () => {
  const first = await Effect.runPromise(upload(token))
  expect(first).toEqual({ url: `${hub.address}/team/small`, commit: "0123456789abcdef0123", created: true })
  expect(hub.repositories.get("team/small")?.visibility).toBe("public")
  hub.repositories.get("team/small")!.files.set("notes.md", Buffer.from("kept"))
  expect((await Effect.runPromise(upload(token))).created).toBe(false)
  expect([...hub.repositories.get("team/small")!.files.keys()]).toEqual(["README.md", "notes.md"])
})
