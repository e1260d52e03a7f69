/** `POST /infill` as llama.vim sends it, and prompts that fill in the middle. */

import { middlePrompt } from "@trainyard/stages/generate/middlePrompt"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { type Serving, serve } from "./serving.ts"

const sentinels = { prefix: 1, suffix: 2, middle: 3, order: "suffix-prefix-middle" } as const

let plain: Serving
let filling: Serving
beforeAll(async () => {
  plain = await serve({ served: { ignoresSuffix: true } })
  filling = await serve({ served: { sentinels } })
})
afterAll(() => Promise.all([plain.close(), filling.close()]))

/** What the plugin sends as one types, with its settings' defaults. */
const typing = {
  id_slot: 0,
  input_prefix: "#include <stdio.h>\n\n",
  input_suffix: "\n}\n",
  input_extra: [{ text: "int helper(void);\n", time: [1, 2], filename: "helper.h" }],
  prompt: "int main(",
  n_predict: 16,
  stop: [],
  n_indent: 0,
  top_k: 40,
  top_p: 0.9,
  samplers: ["top_k", "top_p", "infill"],
  stream: false,
  cache_prompt: true,
  t_max_prompt_ms: 500,
  t_max_predict_ms: 1000,
  response_fields: [
    "content",
    "timings/prompt_n",
    "timings/prompt_ms",
    "timings/predicted_n",
    "timings/predicted_per_second",
    "truncated",
    "tokens_cached"
  ]
}

describe("/infill", () => {
  test("answers llama.vim with the fields that it asks for", async () => {
    const answer = await filling.post("/infill", typing)
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({
      content: expect.any(String),
      "timings/prompt_n": expect.any(Number),
      "timings/prompt_ms": expect.any(Number),
      "timings/predicted_n": expect.any(Number),
      "timings/predicted_per_second": expect.any(Number),
      truncated: expect.any(Boolean),
      tokens_cached: 0
    })
  })

  test("answers the request that only warms a cache up with nothing", async () => {
    const { input_extra } = typing
    const answer = await plain.post("/infill", {
      ...{ id_slot: 0, input_prefix: "", input_suffix: "", input_extra, prompt: "", n_predict: 0 },
      ...{ temperature: 0, samplers: [], stream: false, cache_prompt: true },
      ...{ t_max_prompt_ms: 1, t_max_predict_ms: 1, response_fields: [""] }
    })
    expect([answer.status, await answer.json()]).toEqual([200, {}])
  })

  test("says what it leaves out", async () => {
    const { response_fields: _, ...request } = typing
    const answer = await (await plain.post("/infill", { ...request, seed: 1 })).json()
    expect(answer).toMatchObject({
      suffix_ignored: true,
      stop: true,
      ignored_fields: ["id_slot", "n_indent", "samplers", "cache_prompt", "t_max_prompt_ms"],
      timings: { predicted_n: expect.any(Number) },
      generation_settings: { seed: 1 }
    })
  })

  test("ends a text that takes too long at a line", async () => {
    const request = {
      prompt: "a\n",
      n_predict: 50_000,
      temperature: 2,
      top_k: 0,
      top_p: 1,
      min_p: 0,
      seed: 3
    }
    const answer = (await (await plain.post("/infill", { ...request, t_max_predict_ms: 20 })).json()) as {
      readonly content: string
    }
    expect(answer).toMatchObject({ stop_type: "time" })
    expect(answer.content).toContain("\n")
  })
})

describe("a fill-in-the-middle prompt", () => {
  test("has prefix and suffix in the order of the model's tokenizer", async () => {
    expect(middlePrompt(sentinels, [10, 11], [20], 100)).toEqual({ ids: [1, 2, 20, 3, 10, 11], cut: 0 })
    const elsewhere = { ...sentinels, order: "prefix-suffix-middle" } as const
    expect(middlePrompt(elsewhere, [10, 11], [20], 100)).toEqual({ ids: [1, 10, 11, 2, 20, 3], cut: 0 })
    const idsOf = (text: string) => Effect.runPromise(filling.model.codec.encode(text))
    const prompt = [1, 2, ...(await idsOf("c")), 3, ...(await idsOf("ab"))]
    const written = "<|fim_prefix|>ab<|fim_suffix|>c<|fim_middle|>"
    const [bySuffix, byTokens, byText] = await Promise.all(
      [{ prompt: "ab", suffix: "c" }, { prompt }, { prompt: written }].map(async (given) => {
        const answer = await filling.post("/v1/completions", { max_tokens: 9, seed: 4, ...given })
        const { choices, usage } = (await answer.json()) as Record<string, unknown>
        return { choices, usage }
      })
    )
    expect(bySuffix).toEqual(byTokens)
    expect(byText).toEqual(byTokens)
    expect(bySuffix).toMatchObject({ usage: { prompt_tokens: prompt.length } })
  })

  test("loses the end of its suffix, then the beginning of its prefix", () => {
    const before = Array.from({ length: 50 }, (_, index) => 100 + index)
    const after = Array.from({ length: 50 }, (_, index) => 200 + index)
    const { cut, ids } = middlePrompt(sentinels, before, after, 43)
    expect(ids).toEqual([1, 2, ...after.slice(0, 10), 3, ...before.slice(20)])
    expect(cut).toBe(60)
    expect(middlePrompt(sentinels, before.slice(40), after, 43).ids).toHaveLength(43)
  })
})
