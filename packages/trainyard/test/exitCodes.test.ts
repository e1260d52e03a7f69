/** What a person asked for and cannot be had is wrong usage: 2, one sentence that names it, and nothing left behind. */
import { readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { beforeAll, expect, test } from "vitest"
import { emptyFolder, type Outcome, refusals, trainyard, write } from "./spawn.ts"
import { tinyPipeline } from "./tinyPipeline.ts"

const quickstart = fileURLToPath(new URL("../../../pipelines/quickstart.ts", import.meta.url))

const cases: ReadonlyArray<readonly [what: string, args: ReadonlyArray<string>, sentence: RegExp]> = [
  [
    "a workspace that is a file",
    ["run", "job.ts", "--workspace", "file"],
    /^Starting the run's log failed: something that is not a folder stands at .*file.* \(--workspace DIR\)\.\n$/
  ],
  [
    "a workspace that cannot be made",
    ["run", "job.ts", "--workspace", "/proc/none"],
    /^Starting the run's log failed: .*\/proc\/none.* \(--workspace DIR\)\.\n$/
  ],
  [
    "a stage that is none",
    ["run", "job.ts", "--only", "raed"],
    /^only raed: pipeline "tiny" has no stage "raed"\. Did you mean "read"\? Its stages: read, judge\.\n$/
  ],
  ["a model folder that is none, to write with", ["generate", "--model", "none", "--prompt", "x"], /none/],
  ["a model folder that is none, to judge", ["validate", quickstart, "--model", "none"], /none/],
  [
    "epochs beside the pipeline's steps, before anything is fetched,",
    ["run", quickstart, "--set", "train.epochs=2"],
    /^Setting train\.epochs=2: train: epochs \(2\) and steps \(1000\) are both given\. .*\n$/
  ],
  [
    "the same, planned,",
    ["plan", quickstart, "--set", "train.epochs=2"],
    /^Setting train\.epochs=2: train: epochs \(2\) and steps \(1000\) are both given\. .*\n$/
  ],
  [
    "a JUnit report where no folder can be",
    ["validate", quickstart, "--junit", "/proc/none/report.xml"],
    /^--junit \/proc\/none\/report\.xml cannot be written \(NotFound\)\. Name a file .*\n$/
  ],
  [
    "a JUnit report below a file",
    ["validate", quickstart, "--junit", "file/report.xml"],
    /^--junit file\/report\.xml cannot be written \(.*\)\. Name a file .*\n$/
  ],
  [
    "a workspace to free space in that is not there",
    ["gc", "--workspace", "typo"],
    /^There is no workspace .*typo\. /
  ],
  [
    "a stage whose code cannot be found",
    ["run", "source.ts"],
    /^The code of the stage at x\.ts cannot be read, .* Give the stage source: import\.meta\.url\.\n$/
  ],
  [
    "an option of the file that there is not",
    ["run", "choice.ts"],
    /^The pipeline file has no option "thread"\. Did you mean "threads"\? .*\n$/
  ],
  [
    "a dropout that drops everything, before anything is fetched,",
    ["run", quickstart, "--set", "train.model.dropout=1"],
    /^Setting train\.model\.dropout=1: train\.model\.dropout is 1: expected a value less than 1\.\n$/
  ],
  [
    "a source that includes no file",
    ["run", quickstart, "--set", "collect.sources.0.include=[]"],
    /: collect\.sources\.0\.include is \[\]: expected a value with a length of at least 1\.\n$/
  ],
  ["a dataset folder that is none", ["validate", quickstart, "--dataset", "none"], /none/]
]

const choice = tinyPipeline
  .replace("@trainyard/core", "trainyard")
  .replace('make("tiny", () =>', 'make("tiny", { thread: 2 } as any, () =>')
const source = tinyPipeline.replace("source: import.meta.url", 'source: "x.ts"')

const directories = cases.map(() => emptyFolder())
let outcomes: ReadonlyArray<Outcome> = []
beforeAll(async () => {
  for (const directory of directories)
    write(directory, { "job.ts": tinyPipeline, "choice.ts": choice, "source.ts": source, file: "" })
  outcomes = await refusals(cases.map(([, words], index) => ({ directory: directories[index] ?? "", words })))
})

test.each(cases.map((each, index) => [...each, index] as const))(
  "%s ends with 2",
  (_, __, sentence, index) => {
    const { code, stderr = "", stdout } = outcomes[index] ?? {}
    // The tiny pipeline prints a line of its own.
    const said = stderr.replace("a pipeline file may print\n", "")
    expect({ code, said, stdout: stdout?.replace("a pipeline file may print\n", "") }).toEqual({
      code: 2,
      said: expect.stringMatching(sentence),
      stdout: ""
    })
    expect(said.trimEnd().split("\n")).toHaveLength(1)
    expect(readdirSync(directories[index] ?? "").sort()).toEqual(["choice.ts", "file", "job.ts", "source.ts"])
  }
)

test("a judgement that cannot be made leaves no earlier JUnit report to be taken for its own", async () => {
  const directory = emptyFolder()
  write(directory, { "old.xml": "<testsuites/>" })
  const { code, stderr } = await trainyard({ directory }, "validate", quickstart, "--junit", "old.xml")
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/^validate reads "dataset"/) })
  expect(readdirSync(directory)).not.toContain("old.xml")
})
