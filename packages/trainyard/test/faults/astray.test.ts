/** What no stage is there to take: stray errors, a pipeline that ends the process or never lets it end, an output that takes no more. */
import { spawn, spawnSync } from "node:child_process"
import { existsSync, globSync, openSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, test } from "vitest"
import { emptyFolder, trainyard, write } from "../spawn.ts"

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

const job = (atTop: string, inStage: string) => `
import { Effect, Schema } from "effect"
import { Artifact, Pipeline, Stage } from "@trainyard/core"
${atTop}
const Nothing = Artifact.kind({ name: "nothing", version: 1, value: Schema.Struct({}) })
const wait = Stage.make({
  name: "wait", version: 1, source: import.meta.url, inputs: {}, config: {}, output: Nothing,
  run: Effect.fn(function* () {
    ${inStage}
    return {}
  })
})
export default Pipeline.make("astray", () => wait())
`

const asleep = 'yield* Effect.sleep("30 seconds")'

describe("a pipeline's code", () => {
  test.each([
    ["that ends the process when it is imported", job("process.exit(0)", ""), 2, /job\.ts ended the process/],
    ["that ends the process from a stage", job("", "process.exit(0)"), 1, /^Code of the pipeline ended/],
    [
      "that throws from a timer",
      job("", `setTimeout(() => { throw new Error("late") }, 0); ${asleep}`),
      1,
      /^Uncaught error: Error: late \(.*job\.ts:\d+\)/
    ],
    [
      "that rejects a promise nobody awaits",
      job("", `Promise.reject(new Error("lost")); ${asleep}`),
      1,
      /^Uncaught error: Error: lost \(.*job\.ts:\d+\)/
    ]
  ])("%s ends the run with one sentence and no success", async (_, text, code, sentence) => {
    const directory = emptyFolder()
    write(directory, { "job.ts": text })
    const outcome = await trainyard({ directory }, "run", "job.ts")
    expect(outcome.code).toBe(code)
    expect(outcome.stderr).toMatch(sentence)
    expect(outcome.stderr.trimEnd().split("\n")).toHaveLength(1)
  })

  test("that leaves a timer going does not keep a finished run alive", async () => {
    const directory = emptyFolder()
    write(directory, { "job.ts": job("setInterval(() => {}, 1000)", "") })
    const { code, stderr, stdout } = await trainyard({ directory }, "run", "job.ts", "--json")
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(stdout.trimEnd().split("\n").at(-1)).toContain('"type":"RunFinished"')
  })
})

test.skipIf(!existsSync("/dev/full"))(
  "a standard output that takes no more costs the run nothing, and is told with exit code 1",
  async () => {
    const directory = emptyFolder()
    write(directory, { "job.ts": job("", "") })
    const run = (...args: ReadonlyArray<string>) =>
      spawnSync(process.execPath, ["--conditions=trainyard-source", main, ...args], {
        cwd: directory,
        encoding: "utf8",
        stdio: ["ignore", openSync("/dev/full", "w"), "pipe"]
      })
    for (const args of [
      ["run", "job.ts"],
      ["plan", "job.ts", "--json"]
    ]) {
      const { status, stderr } = run(...args)
      expect(stderr).toMatch(/^Standard output is incomplete: ENOSPC.*free space\.\n$/)
      expect(status).toBe(1)
    }
    expect((await trainyard({ directory }, "status")).stdout).toMatch(/^# astray: succeeded/)
  }
)

const hasScript = spawnSync("script", ["--version"]).status === 0

test.skipIf(!hasScript)("a terminal that is closed interrupts the run in good order", async () => {
  const directory = emptyFolder()
  write(directory, { "job.ts": job("", asleep) })
  const terminal = spawn(
    "script",
    ["-qfc", `"${process.execPath}" --conditions=trainyard-source "${main}" run job.ts`, "/dev/null"],
    {
      cwd: directory,
      stdio: ["pipe", "ignore", "ignore"],
      env: { ...process.env, TERM: "xterm", CI: "" }
    }
  )
  const log = () =>
    globSync("*/events.jsonl", { cwd: join(directory, ".trainyard", "runs") }).map((name) =>
      readFileSync(join(directory, ".trainyard", "runs", name), "utf8")
    )[0] ?? ""
  const until = async (words: string) => {
    while (!log().includes(words)) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await until("StageStarted")
  terminal.kill("SIGKILL")
  await until('"type":"RunFinished"')
  expect(log()).toMatch(/"type":"RunFinished","status":"interrupted"/)
})
