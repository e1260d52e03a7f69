/** Requests that are wrong, and clients that are slow or gone: each gets a status or a closed connection, and the next good one its answer. */
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { mostBodyBytes } from "../../src/serve/Guard.ts"
import { raw, type Serving, serve, until } from "./serving.ts"

let server: Serving
beforeAll(async () => {
  server = await serve({
    limits: {
      requestMilliseconds: 600,
      headersMilliseconds: 300,
      idleMilliseconds: 1500,
      connections: 64
    }
  })
})
afterAll(() => server.close())

/** The next good request is answered, and nobody has a place. */
const isWell = async () => {
  const answer = await server.post("/v1/completions", { prompt: "a", max_tokens: 1 })
  expect(answer.status).toBe(200)
  await answer.json()
  await until(async () => (await server.load()).active === 0)
}

const wrongBodies: ReadonlyArray<readonly [name: string, body: unknown, param?: string | null]> = [
  ["no JSON", "{prompt: 1}"],
  ["half of it", '{"prompt": "a'],
  ["nothing", ""],
  ["a list", "[]"],
  ["null", "null"],
  ["a number", "7"],
  ["bytes", "\u0000\u0001"],
  ["deep nesting", "[".repeat(100_000)],
  ["a prompt that is a number", { prompt: 5 }, "prompt"],
  ["a prompt of no prompts", { prompt: [] }, "prompt"],
  ["mixed prompts", { prompt: ["a", 1] }, "prompt"],
  ["a token outside the vocabulary", { prompt: [1, 2_000_000_000] }, "prompt"],
  ["a negative token", { prompt: [-1] }, "prompt"],
  ["half a token", { prompt: [1.5] }, "prompt"],
  ["max_tokens as text", { max_tokens: "5" }, "max_tokens"],
  ["negative max_tokens", { max_tokens: -1 }, "max_tokens"],
  ["half a max_tokens", { max_tokens: 0.5 }, "max_tokens"],
  ["too many max_tokens", { max_tokens: 1e9 }, "max_tokens"],
  ["a negative temperature", { temperature: -1 }, "temperature"],
  ["a temperature that is no number", '{"temperature": 1e999}', "temperature"],
  ["top_p 0", { top_p: 0 }, "top_p"],
  ["top_p above 1", { top_p: 1.1 }, "top_p"],
  ["min_p above 1", { min_p: 2 }, "min_p"],
  ["n 0", { n: 0 }, "n"],
  ["too many texts", { n: 5 }, "n"],
  ["an empty stop", { stop: "" }, "stop"],
  ["too many stops", { stop: Array(17).fill("x") }, "stop"],
  ["a stop that is too long", { stop: "x".repeat(1000) }, "stop"],
  ["logprobs above the limit", { logprobs: 21 }, "logprobs"],
  ["logprobs as a flag", { logprobs: true }, "logprobs"],
  ["echo with logprobs", { echo: true, logprobs: 1 }, "echo"],
  ["stream as text", { stream: "yes" }, "stream"],
  ["stream options without a stream", { stream_options: { include_usage: true } }, "stream_options"],
  ["a suffix for a model without sentinels", { suffix: "b" }, "suffix"],
  ["a penalty that is not there", { presence_penalty: 1 }, "presence_penalty"],
  ["a bias that is not there", { logit_bias: { 5: 1 } }, "logit_bias"],
  ["a grammar that is not there", { grammar: "cobol" }, "grammar"],
  [
    "a prompt that no text of the grammar begins with",
    { grammar: "c", prompt: ")", max_tokens: 40 },
    "grammar"
  ],
  ["a grammar for a middle", { grammar: "c", suffix: "b" }, "grammar"],
  ["a seed that is too large", { seed: 1e15 }, "seed"]
]

describe("a wrong request", () => {
  test("with a wrong body is told what is wrong", async () => {
    for (const [name, body, param = null] of wrongBodies) {
      const answer = await server.post("/v1/completions", body)
      const { error } = (await answer.json()) as { error: Record<string, unknown> }
      expect([name, answer.status, error.type, error.param]).toEqual([
        name,
        400,
        "invalid_request_error",
        param
      ])
      expect(error.message).toMatch(/^[A-Z\w][^\n]*\.$/)
    }
    for (const body of [{ n_predict: -2 }, { input_extra: [{}] }, { stream: true }, { input_suffix: "x" }])
      expect((await server.post("/infill", body)).status).toBe(400)
    await isWell()
  })

  test("to a wrong place, by a wrong name or from a page is refused", async () => {
    const statusOf = async (path: string, init?: RequestInit) =>
      (await fetch(`${server.address}${path}`, init)).status
    expect(await statusOf("/")).toBe(404)
    expect(await statusOf("/../../etc/passwd")).toBe(404)
    expect(await statusOf("/%2e%2e/%2e%2e/etc/passwd")).toBe(404)
    expect(await statusOf("/v1/completions")).toBe(405)
    expect(await statusOf("/health", { method: "DELETE" })).toBe(405)
    expect(await statusOf("/health", { headers: { origin: "https://evil.example" } })).toBe(403)
    expect(await statusOf("/health", { headers: { origin: "http://localhost:3000" } })).toBe(200)
    for (const [host, status] of [
      ["evil.example", 403],
      ["127.0.0.1.evil.example", 403],
      ["", 403],
      ["model.test:80", 200],
      ["[::1]:8080", 200],
      ["localhost", 200]
    ])
      expect([
        host,
        await raw(server.address, `GET /health HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
      ]).toEqual([host, expect.stringMatching(new RegExp(`^HTTP/1.1 ${status} `))])
    await isWell()
  })

  test("that is too large, not HTTP, cut off or slow ends", async () => {
    const large = await server
      .post("/v1/completions", `"${"x".repeat(mostBodyBytes)}"`)
      .catch(() => undefined)
    expect([413, undefined]).toContain(large?.status)
    const head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
    const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`
    const [chunked, noise, cut, halfClosed, slowHeaders, slowBody, negative] = await Promise.all([
      raw(server.address, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(20)}`),
      raw(server.address, "\u0016\u0003\u0001 no HTTP at all\r\n\r\n"),
      raw(server.address, `${head}Content-Length: 500\r\n\r\n{"prompt"`, true),
      raw(server.address, `GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n`, true),
      raw(server.address, "POST /v1/completions HTTP/1.1\r\nHost: loc"),
      raw(server.address, `${head}Content-Length: 500\r\n\r\n{"prompt"`),
      raw(server.address, `${head}Content-Length: -5\r\n\r\n`)
    ])
    expect(chunked).toMatch(/^(HTTP\/1.1 413 |$)/)
    expect(noise).toMatch(/^HTTP\/1.1 400 /)
    expect(cut).toMatch(/^(HTTP\/1.1 40[08] |$)/)
    expect(halfClosed).toMatch(/^HTTP\/1.1 200 /)
    expect(slowHeaders).toMatch(/^HTTP\/1.1 408 /)
    expect(slowBody).toMatch(/^HTTP\/1.1 4(00|08) /)
    expect(negative).toMatch(/^HTTP\/1.1 400 /)
    await isWell()
  })

  test("whose client reads nothing is closed, and its place is free", async () => {
    const body = JSON.stringify({
      prompt: "a",
      max_tokens: 100_000,
      stream: true,
      temperature: 0,
      loop_stop: false
    })
    const head = `POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`
    const { Socket } = await import("node:net")
    const { hostname, port } = new URL(server.address)
    const socket = new Socket().on("error", () => undefined)
    socket.connect(Number(port), hostname, () => socket.write(head + body))
    socket.pause()
    await until(async () => (await server.load()).active === 1)
    socket.resetAndDestroy()
    await until(async () => (await server.load()).active === 0)
    await isWell()
  })
})

describe("a server with a token", () => {
  test("answers whoever brings it", async () => {
    const guarded = await serve({ guard: { hosts: [], token: "secret" } })
    const ask = async (path: string, authorization?: string) =>
      (await fetch(`${guarded.address}${path}`, { headers: authorization ? { authorization } : {} })).status
    expect(await ask("/health")).toBe(200)
    for (const path of ["/v1/models", "/metrics"]) {
      expect(await ask(path)).toBe(401)
      expect(await ask(path, "Bearer wrong")).toBe(401)
      expect(await ask(path, "Basic secret")).toBe(401)
      expect(await ask(path, "Bearer secret")).toBe(200)
    }
    const refused = await guarded.post("/v1/completions", { prompt: "a" })
    expect(refused.status).toBe(401)
    expect(refused.headers.get("www-authenticate")).toBe("Bearer")
    await guarded.close()
  })
})
