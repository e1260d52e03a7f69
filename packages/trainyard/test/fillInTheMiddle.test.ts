/** A model that fills in the middle, made by the stages: by `generate --suffix`, and by the server that opens its folder. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { sentinelsOf } from "@trainyard/stages/tokenize/sentinels"
import { Effect } from "effect"
import { beforeAll, describe, expect, test } from "vitest"
import { makeMiddleModel } from "../../stages/test/middleModel.ts"
import * as Running from "../../stages/test/runStage.ts"
import { makeModel } from "../../stages/test/validate/laboratory.ts"
import { serve } from "./serve/serving.ts"
import { emptyFolder, inOneProcess } from "./spawn.ts"

const directory = emptyFolder()
const model = join(directory, "model")
const place = { directory, env: { TRAINYARD_BACKEND: "cpu", TRAINYARD_THREADS: "1" } }
beforeAll(
  () =>
    Effect.runPromise(
      Effect.gen(function* () {
        yield* makeMiddleModel(model)
        yield* makeModel(join(directory, "plain"))
      }).pipe(Effect.scoped, Effect.provide(Running.layer))
    ),
  60_000
)

const asked = inOneProcess()
const generate = (name: string, ...args: ReadonlyArray<string>) =>
  asked(place, "generate", "--model", name, "--max-tokens", "8", ...args)

const [prefix, suffix] = ["int a = 1;\n", "\nint b = 2;\n"]

describe("trainyard generate --suffix", () => {
  test("writes what stands between two texts, and shows it between them", async () => {
    writeFileSync(join(directory, "after.c"), suffix)
    const args = ["--prompt", prefix, "--temperature", "0", "--no-loop-stop"]
    const logprobs = ["--json", "--logprobs", "1"]
    const [shown, byFile, free] = await Promise.all([
      generate("model", ...args, "--suffix", suffix),
      generate("model", ...args, "--suffix-file", "after.c", ...logprobs),
      generate("model", ...args, ...logprobs)
    ])
    expect([shown.code, byFile.code, shown.stderr, byFile.stderr]).toEqual([0, 0, "", ""])
    const filled = JSON.parse(byFile.stdout)
    expect(filled).toMatchObject({ prompt: prefix, suffix })
    expect(shown.stdout).toContain(suffix)
    expect(shown.stdout.startsWith(prefix)).toBe(true)
    expect(JSON.parse(free.stdout).logprobs).not.toEqual(filled.logprobs)
    expect(JSON.parse(free.stdout)).not.toHaveProperty("suffix")
  })

  test("says what is left out of texts that are too long", async () => {
    const { code, stderr } = await generate("model", "--prompt", prefix.repeat(20), "--suffix", suffix)
    expect(code).toBe(0)
    expect(stderr).toMatch(/longer than the model's context: \d+ of their tokens are left out/)
  })

  test("refuses a model without the tokens, and flags that contradict each other", async () => {
    const [plain, both, adaptive, twice] = await Promise.all([
      generate("plain", "--prompt", "a", "--suffix", "b"),
      generate("model", "--prompt", "a", "--suffix", "b", "--suffix-file", "after.c"),
      generate("model", "--prompt", "a", "--suffix", "b", "--adaptive"),
      generate("model", "--prompt", "-", "--suffix", "-")
    ])
    expect([plain.code, both.code, adaptive.code, twice.code]).toEqual([2, 2, 2, 2])
    expect(plain.stderr).toContain("tokenize({ fillInTheMiddle: true })")
    expect(both.stderr).toContain("--suffix and --suffix-file are both given")
    expect(adaptive.stderr).toContain("--adaptive has no effect")
    expect(twice.stderr).toContain("cannot both be standard input")
  })
})

describe("trainyard serve", () => {
  test("fills in by suffix and by /infill, alike", async () => {
    const sentinels = await Effect.runPromise(sentinelsOf(model).pipe(Effect.provide(NodeServices.layer)))
    expect(sentinels).toBeDefined()
    const serving = await serve({ served: { sentinels } }, 3, model)
    const sampling = { temperature: 0, seed: 1 }
    const [completion, infill] = await Promise.all([
      serving.post("/v1/completions", { prompt: prefix, suffix, max_tokens: 8, ...sampling }),
      serving.post("/infill", {
        ...{ input_prefix: prefix, input_suffix: suffix, n_predict: 8 },
        ...{ ...sampling, top_p: 1, min_p: 0 }
      })
    ])
    const answers = [await completion.json(), await infill.json()] as const
    await serving.close()
    expect([completion.status, infill.status]).toEqual([200, 200])
    const [choices, filled] = [answers[0] as { choices: ReadonlyArray<{ text: string }> }, answers[1]]
    expect(filled).toMatchObject({ content: choices.choices[0]?.text, suffix_ignored: false })
  })
})
