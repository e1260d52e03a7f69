import { describe, expect, test } from "vitest"
import { emptyFolder, trainyard, write } from "./spawn.ts"

const cases: ReadonlyArray<readonly [what: string, text: string | undefined, says: RegExp]> = [
  ["does not exist", undefined, /There is no pipeline file .*job\.ts\. Give the path/],
  ["is empty", "", /job\.ts exports nothing\. End it with: export default Pipeline\.make/],
  ["exports something else", "export default () => 1", /job\.ts exports a function instead of a pipeline/],
  ["exports only names", "export const job = 1", /has no default export \(it exports job\)/],
  [
    "throws an error",
    '\nthrow new Error("no corpus today")',
    /job\.ts, line 2 threw Error: no corpus today\./
  ],
  ["throws text", 'throw "nothing"', /job\.ts threw "nothing" instead of an error/],
  ["has a syntax error", "export default = 1", /job\.ts is not valid TypeScript/],
  ["uses an enum", "enum A { B }\nexport default A", /TypeScript that Node cannot run/],
  ["imports a missing file", 'import "./gone.ts"', /job\.ts imports .*gone\.ts, which is not there/],
  [
    "imports a missing package",
    'import "no-such-package-here"',
    /imports no-such-package-here, which is not there/
  ],
  [
    "gives a stage no input",
    'import { Artifact, Pipeline, Stage } from "trainyard"\nimport { Effect, Schema } from "effect"\n' +
      'const A = Artifact.kind({ name: "a", version: 1, value: Schema.Struct({}) })\n' +
      'const s = Stage.make({ name: "s", version: 1, source: import.meta.url, inputs: { a: A }, config: {}, output: A, run: () => Effect.succeed({}) })\n' +
      'export default Pipeline.make("p", () => (s as any)({}))',
    /Stage "s" of pipeline "p" has no "a"/
  ]
]

describe("a pipeline file that", () => {
  test.concurrent.each(cases)(
    "%s is refused with one sentence and exit code 2",
    async (_what, text, says) => {
      const directory = emptyFolder()
      if (text !== undefined) write(directory, { "job.ts": text })
      const outcome = await trainyard({ directory }, "graph", "job.ts")
      expect(outcome.stderr).toMatch(says)
      expect(outcome.stderr.trim().split("\n")).toHaveLength(1)
      expect(outcome.stdout).toBe("")
      expect(outcome.code).toBe(2)
    }
  )
})
