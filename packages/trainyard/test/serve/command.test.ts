/** `trainyard serve` as a process: its line of JSON, curl, its token, and how it stops. */
import { spawn, spawnSync } from "node:child_process"
import { createServer } from "node:net"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import { beforeAll, describe, expect, test } from "vitest"
import { makeModel } from "../../../stages/test/validate/laboratory.ts"
import { emptyFolder, start, trainyard } from "../spawn.ts"
import { until } from "./serving.ts"

const directory = emptyFolder()
const place = { directory, env: { TRAINYARD_BACKEND: "cpu", TRAINYARD_THREADS: "1" } }
beforeAll(() =>
  Effect.runPromise(makeModel(join(directory, "model")).pipe(Effect.provide(NodeServices.layer)))
)

const serve = async (env: Record<string, string> = {}, ...args: ReadonlyArray<string>) => {
  const started = start(
    { ...place, env: { ...place.env, ...env } },
    ...["serve", "--model", "model", "--port", "0", "--json", ...args]
  )
  await until(() => started.said().includes("\n"))
  const listening = JSON.parse(started.said())
  return { ...started, listening, completions: `${listening.address}/v1/completions` }
}

const hasCurl = spawnSync("curl", ["--version"]).status === 0

/** A text that goes on: the most likely tokens of this model never end it. */
const long = JSON.stringify({ prompt: "a", max_tokens: 500, stream: true, loop_stop: false, temperature: 0 })

const streamsToCurl = async (completions: string, authorization: string) => {
  const body = JSON.stringify({ prompt: "int ", max_tokens: 8, stream: true, seed: 1 })
  const header = ["-H", `Authorization: ${authorization}`]
  const curl = spawn("curl", ["--silent", "--no-buffer", completions, ...header, "-d", body])
  let text = ""
  curl.stdout.setEncoding("utf8").on("data", (piece: string) => {
    text += piece
  })
  await new Promise((resolve) => curl.on("close", resolve))
  const events = text.trimEnd().split("\n\n")
  expect(events.at(-1)).toBe("data: [DONE]")
  for (const event of events.slice(0, -1))
    expect(JSON.parse(event.replace(/^data: /, ""))).toMatchObject({ object: "text_completion" })
}

describe("trainyard serve", () => {
  test("says where it listens, and finishes what it streams when it is interrupted", async () => {
    const { child, completions, listening, outcome } = await serve()
    expect(listening).toEqual({
      type: "Listening",
      address: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      model: "model",
      engine: "cpu",
      threads: 1,
      precision: "f32",
      slots: 16
    })
    const answer = await fetch(completions, { method: "POST", body: long })
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader()
    let text = (await reader.read()).value ?? ""
    child.kill("SIGINT")
    let refused: unknown
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      text += piece.value
      refused ??= await fetch(completions).then(
        ({ status }) => status,
        () => "closed"
      )
    }
    expect([503, "closed"]).toContain(refused)
    expect(text.trimEnd().endsWith("data: [DONE]")).toBe(true)
    expect(text).toContain('"finish_reason":"length"')
    const { code, stderr, stdout } = await outcome
    expect(code).toBe(130)
    expect(stdout.trimEnd().split("\n")).toHaveLength(1)
    expect(stderr).toBe("\nFinishing the texts that are being written. Ctrl-C again stops at once.\n")
  })

  test("asks for its token, streams to curl, and leaves at once when it is interrupted twice", async ({
    annotate
  }) => {
    const { child, completions, outcome } = await serve({ TRAINYARD_SERVE_TOKEN: "secret" })
    expect((await fetch(completions, { method: "POST", body: long })).status).toBe(401)
    const headers = { authorization: "Bearer secret" }
    if (hasCurl) await streamsToCurl(completions, headers.authorization)
    else await annotate("there is no curl here: streaming to it was skipped", "warning")
    const endless = JSON.stringify({ ...JSON.parse(long), max_tokens: 4096, n: 16 })
    const answer = await fetch(completions, { method: "POST", body: endless, headers })
    const reader = answer.body!.getReader()
    await reader.read()
    child.kill("SIGINT")
    // Signals that come together count as one.
    await new Promise((resolve) => setTimeout(resolve, 600))
    child.kill("SIGINT")
    expect((await outcome).code).toBe(130)
    await reader.cancel().catch(() => undefined)
  })

  test("says in one sentence why it cannot serve", async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve))
    const address = other.address()
    const port = String(address !== null && typeof address === "object" ? address.port : 0)
    const [taken, empty] = await Promise.all(
      [
        ["--model", "model", "--port", port],
        ["--model", "model", "--token", ""]
      ].map((args) => trainyard(place, "serve", ...args))
    )
    expect([taken.code, taken.stderr]).toEqual([
      1,
      expect.stringMatching(/^The server cannot listen on 127\.0\.0\.1, port \d+ \(.*EADDRINUSE.*\)\. .*\n$/)
    ])
    expect([empty.code, empty.stderr]).toEqual([
      2,
      "--token is empty. Give a token, or leave the flag out.\n"
    ])
    other.close()
  })
})
