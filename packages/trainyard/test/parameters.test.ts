/** Parameters through the command line: flags, environment, defaults, and what is refused. */
import { expect, test } from "vitest"
import { emptyFolder, inOneProcess, refusals, trainyard, write } from "./spawn.ts"
import { tinyPipeline } from "./tinyPipeline.ts"

const asked = inOneProcess()

const parameterized = tinyPipeline.replace(
  /export default .*/,
  `
export default Pipeline.make("tiny", {
  parameters: {
    atLeast: Schema.Int.pipe(
      Schema.annotate({ description: "Fewest words" }),
      Schema.withDecodingDefaultKey(Effect.succeed(3))
    ),
    sizes: Schema.Array(Schema.Int)
  }
}, ({ atLeast, sizes }) => {
  if (atLeast === 13) throw new Error("unlucky")
  return sizes.map((words) => judge({ name: "judge-" + words, words: read({ name: "read-" + words, words }), atLeast }))
})
`
)

const folder = () => {
  const directory = emptyFolder()
  write(directory, { "job.ts": parameterized, "plain.ts": tinyPipeline })
  return directory
}
const json = (text: string): ReadonlyArray<Record<string, unknown>> =>
  text
    .trimEnd()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line))

test("a flag counts before the environment, the environment before the default; plan documents them", async () => {
  const directory = folder()
  const env = { TRAINYARD_PARAM_SIZES: "7,9", TRAINYARD_PARAM_AT_LEAST: "2" }
  const { code, stderr, stdout } = await trainyard(
    { directory, env },
    "plan",
    "job.ts",
    "--param",
    "atLeast=1",
    "--json"
  )
  expect([code, stderr]).toEqual([0, ""])
  const lines = json(stdout)
  expect(lines.slice(0, 2)).toEqual([
    {
      parameter: "atLeast",
      type: "integer",
      description: "Fewest words",
      default: 3,
      value: 1,
      from: "--param"
    },
    { parameter: "sizes", type: "list of integer", value: [7, 9], from: "TRAINYARD_PARAM_SIZES" }
  ])
  expect(lines.slice(2).map(({ name }) => name)).toEqual(["read-7", "judge-7", "read-9", "judge-9"])
  const page = await asked({ directory, env }, "plan", "job.ts")
  expect(page.stdout).toMatch(
    /^atLeast +2 +from TRAINYARD_PARAM_AT_LEAST, default 3 +integer +Fewest words$/m
  )
})

test("every command that opens a pipeline takes them, and a run keeps them for status and for going on", async () => {
  const directory = folder()
  const graph = await asked({ directory }, "graph", "job.ts", "--param", "sizes=4")
  expect(graph.stdout).toContain("judge-4")
  const env = { TRAINYARD_PARAM_SIZES: "[4, 6]" }
  const run = await trainyard({ directory, env }, "run", "job.ts", "--json")
  expect([run.code, run.stderr]).toEqual([0, "a pipeline file may print\n"])
  const started = json(run.stdout)[0]
  expect(started).toMatchObject({
    type: "RunStarted",
    parameters: [
      { name: "atLeast", value: 3, from: "default" },
      { name: "sizes", value: [4, 6] }
    ]
  })
  expect(started?.command).toMatchObject({ words: ["run", "job.ts", "--param", "sizes=[4, 6]"] })
  const status = json((await asked({ directory }, "status", "--json")).stdout)
  expect(status.at(-1)).toMatchObject({
    parameters: [{ name: "atLeast" }, { name: "sizes" }],
    comparisons: [{ stages: ["read", "judge"], settings: ["read.words"], rankedBy: null }]
  })
  for (const words of [
    ["validate", "job.ts"],
    ["verify", "job.ts"],
    ["adopt", "job.ts", "read-4"]
  ]) {
    const outcome = await asked({ directory }, ...words, "--param", "sizes=4")
    // Opened, and then refused for what the command itself wants.
    expect(outcome.stderr).toMatch(/no stage that makes a report|trains nothing|would not run/)
  }
})

test("unknown, wrong, missing and malformed values are refused in one sentence, with exit code 2", async () => {
  const directory = folder()
  const cases: ReadonlyArray<readonly [words: ReadonlyArray<string>, sentence: string | RegExp]> = [
    [
      ["job.ts"],
      `Pipeline "tiny" needs a value for its parameter "sizes" (list of integer): give --param sizes=VALUE, or set TRAINYARD_PARAM_SIZES.`
    ],
    [
      ["job.ts", "--param", "size=1"],
      `--param size=1: pipeline "tiny" has no parameter "size". Did you mean "sizes"? Its parameters: atLeast, sizes.`
    ],
    [
      ["job.ts", "--param", "sizes=1", "--param", "atLeast=few"],
      `--param atLeast=few: atLeast is "few": expected number.`
    ],
    [["job.ts", "--param", "sizes"], "--param sizes: write it as name=value, such as atLeast=VALUE."],
    [
      ["job.ts", "--param", "sizes=[]"],
      /job\.ts: The function of pipeline "tiny" returned an empty list: return at least one stage\.$/
    ],
    [["job.ts", "--param", "sizes=1", "--param", "atLeast=13"], /job\.ts, line \d+ threw Error: unlucky\.$/],
    [["plain.ts", "--param", "a=1"], `--param a=1: pipeline "tiny" has no parameters.`]
  ]
  const outcomes = await refusals(cases.map(([words]) => ({ directory, words: ["plan", ...words] })))
  for (const [index, [words, sentence]] of cases.entries()) {
    const { code, stderr } = outcomes[index] ?? {}
    expect(code, words.join(" ")).toBe(2)
    if (typeof sentence === "string") expect(stderr?.trim()).toBe(sentence)
    else expect(stderr?.trim()).toMatch(sentence)
  }
})

test("a variable that no parameter reads is told", async () => {
  const directory = folder()
  const env = { TRAINYARD_PARAM_SIZE: "3", TRAINYARD_PARAM_SIZES: "3" }
  const { code, stderr } = await asked({ directory, env }, "graph", "job.ts")
  expect(code).toBe(0)
  expect(stderr).toBe(
    `warning: TRAINYARD_PARAM_SIZE has no effect: pipeline "tiny" has no such parameter. Did you mean "TRAINYARD_PARAM_SIZES"?\n`
  )
})
