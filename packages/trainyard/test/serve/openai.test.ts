/** OpenAI's own client against a server: whole and streamed completions, and one that is aborted. */
import OpenAI, { APIError } from "openai"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { type Serving, serve, until } from "./serving.ts"

let server: Serving
let client: OpenAI
beforeAll(async () => {
  server = await serve()
  client = new OpenAI({ baseURL: `${server.address}/v1`, apiKey: "none", maxRetries: 0 })
})
afterAll(() => server.close())

/** A text that goes on: the most likely tokens of this model never end it. */
const long = { model: "tiny", prompt: "int ", max_tokens: 50_000, temperature: 0, loop_stop: false } as const

const drawn = { model: "tiny", prompt: "int ", max_tokens: 60, seed: 1 }

describe("OpenAI's client", () => {
  test("lists the model", async () => {
    const { data } = await client.models.list()
    expect(data).toMatchObject([{ id: "tiny", owned_by: "trainyard" }])
  })

  test("gets the text of a seed, whoever else asks", async () => {
    const ask = (prompt: string, seed: number, n = 1) =>
      client.completions.create({ model: "tiny", prompt, max_tokens: 30, seed, n })
    const alone = await ask("int main", 5)
    expect(alone.usage).toEqual({ prompt_tokens: 8, completion_tokens: 30, total_tokens: 38 })
    expect(alone.choices).toHaveLength(1)
    expect(alone.choices[0]).toMatchObject({ index: 0, finish_reason: "length", logprobs: null })
    const [beside, , , several] = await Promise.all([
      ask("int main", 5),
      ask("struct {", 8),
      ask("x".repeat(100), 9),
      // The second text of seed 4 is that of seed 5.
      ask("int main", 4, 2)
    ])
    expect(beside?.choices[0]?.text).toBe(alone.choices[0]?.text)
    expect(several?.choices[1]?.text).toBe(alone.choices[0]?.text)
  })

  test("streams the same text piece by piece, with usage at the end", async () => {
    const request = { model: "tiny", prompt: ["int a", "int b"], max_tokens: 12, seed: 3 }
    const whole = await client.completions.create(request)
    const texts = ["", ""]
    const reasons: Array<string | null> = []
    let usage: unknown
    for await (const chunk of await client.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true }
    })) {
      usage = chunk.usage
      for (const { finish_reason, index, text } of chunk.choices) {
        texts[index] += text
        if (finish_reason !== null) reasons.push(finish_reason)
      }
    }
    expect(texts).toEqual(whole.choices.map(({ text }) => text))
    expect(reasons).toEqual(["length", "length"])
    expect(usage).toEqual(whole.usage)
  })

  test("gets log-probabilities, the prompt again, and a text that ends at a stop", async () => {
    const { choices } = await client.completions.create({
      model: "tiny",
      prompt: "ab",
      max_tokens: 4,
      seed: 1,
      logprobs: 2
    })
    const { logprobs } = choices[0]!
    for (const list of [logprobs?.tokens, logprobs?.token_logprobs, logprobs?.top_logprobs])
      expect(list).toHaveLength(4)
    expect(logprobs?.text_offset?.[0]).toBe(2)
    expect(Math.max(...logprobs!.token_logprobs!)).toBeLessThan(0)

    const echoed = await client.completions.create({ model: "tiny", prompt: "ab", max_tokens: 0, echo: true })
    expect(echoed.choices[0]).toMatchObject({ text: "ab", finish_reason: "length" })

    const free = (await client.completions.create(drawn)).choices[0]!.text
    const stop = [...free][20]!
    const stopped = await client.completions.create({ ...drawn, stop })
    expect(stopped.choices[0]).toMatchObject({
      text: free.slice(0, free.indexOf(stop)),
      finish_reason: "stop"
    })
  })

  test("gets texts of a grammar, which end whole, beside free ones", async () => {
    const request = { model: "tiny", prompt: "int main(", max_tokens: 40, seed: 1, ...{ grammar: "c" } }
    const [guided, again] = await Promise.all([
      client.completions.create({ ...request, n: 2 }),
      client.completions.create(request),
      client.completions.create(drawn)
    ])
    expect(again.choices[0]?.text).toBe(guided.choices[0]?.text)
    for (const { text } of guided.choices) expect(text).toMatch(/[;}]\s*$/)
  })

  test("frees its place when it aborts", async () => {
    const controller = new AbortController()
    const stream = await client.completions.create({ ...long, stream: true }, { signal: controller.signal })
    let pieces = 0
    for await (const _ of stream) {
      pieces++
      if (pieces === 5) {
        expect(await server.load()).toMatchObject({ active: 1, waiting: 0 })
        controller.abort()
      }
    }
    await until(async () => (await server.load()).active === 0)

    // One that waits for a whole answer, too.
    const whole = new AbortController()
    const answer = client.completions.create(long, { signal: whole.signal })
    await until(async () => (await server.load()).active === 1)
    whole.abort()
    await expect(answer).rejects.toThrow(/abort/i)
    await until(async () => (await server.load()).active === 0)
  })

  test("is told to come again when the queue is full, and gets a place in turn otherwise", async () => {
    const controller = new AbortController()
    const running = Promise.allSettled(
      [1, 2, 3].map(() => client.completions.create(long, { signal: controller.signal }))
    )
    await until(async () => (await server.load()).active === 3)
    const waiting = client.completions.create({ ...long, n: 2, max_tokens: 2 })
    await until(async () => (await server.load()).waiting === 2)
    const refused = await client.completions.create({ ...long, max_tokens: 2 }).catch((error) => error)
    expect(refused).toBeInstanceOf(APIError)
    expect(refused).toMatchObject({ status: 429, code: "queue_full", type: "rate_limit_error" })
    expect(refused.headers.get("retry-after")).toBe("1")
    controller.abort()
    expect((await waiting).choices).toHaveLength(2)
    await running
  })

  test("is told what was cut and what was ignored", async () => {
    const context = server.model.spec.sequenceLength
    const answer: unknown = await client.completions.create({
      model: "another",
      prompt: "y".repeat(context + 10),
      max_tokens: 5,
      seed: 1,
      ...{ mirostat: 2 }
    })
    expect(answer).toMatchObject({
      model: "tiny",
      truncated: true,
      truncated_tokens: 15,
      ignored_fields: ["mirostat"],
      usage: { prompt_tokens: context - 5 }
    })
  })
})
