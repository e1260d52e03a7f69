/** `trainyard generate` on an untrained byte model: what it prints, where its prompt comes from, and what it refuses. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { Effect, Scope } from "effect"
import { beforeAll, describe, expect, test } from "vitest"
import { c } from "../../stages/src/languages/c/c.ts"
import { makeModel } from "../../stages/test/validate/laboratory.ts"
import { emptyFolder, inOneProcess, start } from "./spawn.ts"

const directory = emptyFolder()
const asked = inOneProcess()
const place = { directory, env: { TRAINYARD_BACKEND: "cpu", TRAINYARD_THREADS: "1" } }
beforeAll(async () => {
  await Effect.runPromise(makeModel(join(directory, "model")).pipe(Effect.provide(NodeServices.layer)))
}, 60_000)

/** The parser of C; it is left open. */
const judge = Effect.gen(function* () {
  return { tools: yield* c.open }
}).pipe(Effect.provideService(Scope.Scope, Scope.makeUnsafe()), Effect.provide(NodeServices.layer))

const generate = async (...args: ReadonlyArray<string>) => {
  const { code, stderr, stdout } = await asked(place, "generate", "--model", "model", ...args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  return stdout
}

const jsonOf = async (...args: ReadonlyArray<string>) =>
  (await generate("--json", ...args))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))

describe("trainyard generate", () => {
  test("writes samples at once that are those of their seeds alone", async () => {
    const options = ["--prompt", "int ", "--max-tokens", "40", "--top-p", "0.9", "--top-k", "200"]
    const [together, second] = await Promise.all([
      jsonOf(...options, "-n", "3", "--seed", "5"),
      jsonOf(...options, "--seed", "6")
    ])
    expect(together.map(({ seed }) => seed)).toEqual([5, 6, 7])
    expect(new Set(together.map(({ completion }) => completion)).size).toBe(3)
    const { seconds: _, ...sample } = together[1]
    expect(second[0]).toEqual({ ...sample, seconds: expect.any(Number) })
    expect(sample).toEqual({
      prompt: "int ",
      completion: expect.any(String),
      seed: 6,
      tokens: 40,
      ended: "limit",
      adaptive: false
    })
  })

  test("prints each sample under a heading, and a note where one ended in a loop", async () => {
    const { code, stderr, stdout } = await asked(
      place,
      ...["generate", "--model", "model", "--prompt", "a\r\n", "--temperature", "0", "-n", "2"]
    )
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^--- sample 1 of 2, seed 1 ---\na\n[\s\S]*\n--- sample 2 of 2, seed 2 ---\na\n[\s\S]*\n$/
    )
    expect(stderr).toMatch(/^Sample 1 \(seed 1\) ended in a loop: .* --no-loop-stop writes on\.\n/)
    const [goesOn] = await jsonOf("--prompt", "a\r\n", "--temperature", "0", "--no-loop-stop")
    expect(goesOn).toMatchObject({ tokens: 128, ended: "limit" })
  })

  test("reads the prompt from a pipe or a file as it is", async () => {
    const prompt = "struct é {\r\n\n"
    writeFileSync(join(directory, "prompt.c"), prompt)
    const options = ["--max-tokens", "3"]
    const { child, outcome } = start(
      { ...place, input: true },
      ...["generate", "--model", "model", "--prompt", "-", "--json", ...options]
    )
    // A character cut in two by the pipe is whole.
    const bytes = Buffer.from(prompt)
    child.stdin?.write(bytes.subarray(0, 8))
    setTimeout(() => child.stdin?.end(bytes.subarray(8)), 50)
    const [piped, fromFile] = await Promise.all([outcome, jsonOf(...options, "--prompt-file", "prompt.c")])
    const { seconds: _, ...read } = JSON.parse(piped.stdout)
    expect(read.prompt).toBe(prompt)
    expect(fromFile[0]).toMatchObject(read)
  })

  test("prints log-probabilities with the tokens' texts", async () => {
    const [{ logprobs }] = await jsonOf("--prompt", "int", "--max-tokens", "3", "--logprobs", "2")
    expect(logprobs).toHaveLength(3)
    for (const { alternatives, id, logprob, text } of logprobs) {
      expect([typeof id, typeof text]).toEqual(["number", "string"])
      expect(logprob).toBeLessThan(0)
      expect(alternatives).toHaveLength(2)
      expect(alternatives[0].logprob).toBeGreaterThanOrEqual(alternatives[1].logprob)
    }
  })

  test("writes C that is whole with --grammar, at once and with every way to end it", async () => {
    const { tools } = await Effect.runPromise(judge)
    const options = ["--prompt", "int f(", "--grammar", "c", "--max-tokens", "40", "--temperature", "1.2"]
    const samples = [
      ...(await jsonOf(...options, "-n", "4")),
      ...(await jsonOf(...options, "--items", "1", "--seed", "9")),
      ...(await jsonOf(...options, "--stop", "x", "--seed", "9"))
    ]
    for (const { completion, grammar, prompt, tokens } of samples) {
      expect(tools.firstError(`${(prompt + completion).trimEnd()}\n`)).toBeNull()
      expect(grammar).toBe("c")
      expect(tokens).toBeLessThanOrEqual(40)
    }
    const { code, stderr, stdout } = await asked(
      place,
      ...[
        "generate",
        "--model",
        "model",
        "--prompt",
        "int f(void) { g((",
        "--grammar",
        "c",
        "--max-tokens",
        "2"
      ]
    )
    expect(stderr).toMatch(/^The prompt needs \d+ more tokens to end as a C text, and the limit is 2\..*\n$/)
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
  })

  test("ends before a stop text", async () => {
    const [whole] = await jsonOf("--prompt", "int", "--max-tokens", "30")
    const stop = whole.completion.slice(4, 6)
    const [cut] = await jsonOf("--prompt", "int", "--max-tokens", "30", "--stop", "never", "--stop", stop)
    expect(cut).toMatchObject({
      completion: whole.completion.slice(0, whole.completion.indexOf(stop)),
      ended: "stop"
    })
  })
})

const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, sentence: RegExp]> = [
  [
    ["--prompt", "x", "--top-p", "0"],
    /^Invalid value for flag --top-p: "0"\. Expected: a number above 0, at most 1\.$/m
  ],
  [
    ["--prompt", "x", "--min-p", "1.5"],
    /^Invalid value for flag --min-p: "1\.5"\. Expected: a number from 0 to 1\.$/m
  ],
  [
    ["--prompt", "x", "--repetition-penalty", "0"],
    /--repetition-penalty: "0"\. Expected: a number above 0\.$/m
  ],
  [
    ["--prompt", "x", "--dry-base", "0.5", "--dry-multiplier", "1"],
    /--dry-base: "0\.5"\. Expected: a number of 1 or more\.$/m
  ],
  [["--prompt", "x", "--redeclaration-penalty", "1"], /has no effect without --grammar\. Add .*\n$/],
  [["--prompt", "x", "--dry-allowed-length", "4"], /have no effect without --dry-multiplier\. Add .*\n$/],
  [["--prompt", "x", "-n", "0"], /--samples: "0"\. Expected: a whole number from 1 to 1024\.$/m],
  [["--prompt", "x", "--stop="], /--stop\. Expected: a text of at least one character\.$/m],
  [["--prompt", "x", "--items", "0"], /--items: "0"\. Expected: a whole number above 0\.$/m],
  [["--prompt", "x", "--logprobs", "5"], /^--logprobs has no effect without --json.*\n$/],
  [["--prompt", "x", "--temperature", "0", "--min-p", "0.1"], /^--top-p and --min-p have no effect.*\n$/],
  [["--prompt", "x", "--language", "c"], /^--language has no effect without --items\..*\n$/],
  [
    ["--prompt", "return 1; }", "--grammar", "c"],
    /^The prompt is not the beginning of a C text that the grammar accepts\..*\n$/
  ],
  [
    ["--prompt", "x", "--grammar", "c", "--items", "1", "--language", "python"],
    /^--items counts items of python, and --grammar writes c\..*\n$/
  ],
  [["--prompt", "x", "--prompt-file", "y"], /^--prompt and --prompt-file are both given\..*\n$/],
  [["--prompt-file", "none"], /^--prompt-file none cannot be read \(NotFound\)\..*\n$/],
  [["--prompt-file", "latin1.c"], /^The prompt from latin1\.c is not UTF-8 text\..*\n$/],
  [[], /^There is no prompt\. Give --prompt TEXT .*\n$/]
]

test.each(wrong)("%j ends with 2", async (args, sentence) => {
  writeFileSync(join(directory, "latin1.c"), Buffer.from("caf\xe9", "latin1"))
  const { code, stderr, stdout } = await asked(place, "generate", "--model", "model", ...args)
  expect(stderr).toMatch(sentence)
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
})
