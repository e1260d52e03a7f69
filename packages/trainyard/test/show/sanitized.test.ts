/** Nothing that comes from elsewhere steers the terminal or hides text, in whatever place it is shown. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { RunEvent } from "@trainyard/core/RunEvent"
import * as RunStatus from "@trainyard/core/RunStatus"
import { Cause, Effect, Exit } from "effect"
import { describe, expect, test } from "vitest"
import { sentenceOf, WrongUsage } from "../../src/ExitCode.ts"
import { linesOf } from "../../src/show/lines.ts"
import { compose } from "../../src/show/MonitorScreen.ts"
import * as Renderer from "../../src/show/Renderer.ts"
import { cut, make } from "../../src/show/Screen.ts"
import { page } from "../../src/show/StatusPage.ts"
import { emptyFolder, trainyard, write } from "../spawn.ts"
import { terminal } from "./terminal.ts"

/** A title, a cleared screen, hidden text, a C1 control, a mark that turns text around, and a line break. */
const evil = "a\u001b]0;owned\u0007b\u001b[2Jc\u001b[8md\u009b2Je\u202ef\u2066g\r\nh"
const forbidden = /(?![\n\t])[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u
const escape = String.fromCharCode(0x1b)
/** Without the colours that are ours. */
const colours = new RegExp(`${escape}\\[(?:0|1|2|22|3[0-79]|9[0-7])m`, "g")
const plain = (text: string) => text.replaceAll(colours, "")
/** The live bars' own movements: up, clear to the end of the line, clear below, return. */
const movements = new RegExp(`${escape}\\[(?:\\d+A|K|J)|\\r`, "g")

const stage = (event: Extract<RunEvent["event"], { type: "Stage" }>["event"]): RunEvent["event"] => ({
  type: "Stage",
  stage: evil,
  event
})
const events = [
  {
    type: "RunStarted",
    pipeline: evil,
    workspace: evil,
    process: process.pid,
    backend: evil,
    stages: [{ name: evil, runs: true, why: evil, after: [], config: { [evil]: evil } }]
  },
  { type: "StageWaiting", stage: evil, holder: evil },
  { type: "StageWaiting", stage: evil, holder: evil, reason: "turn" },
  { type: "StageStarted", stage: evil, why: evil, attempt: 1 },
  stage({ type: "Progress", done: 1, total: 2, unit: evil, doing: evil }),
  stage({ type: "Note", level: "warning", message: evil }),
  stage({ type: "Note", level: "info", message: evil }),
  stage({ type: "Metric", step: 1, metrics: [{ name: evil, value: 1, unit: evil, best: true }] }),
  stage({ type: "Metric", step: 2, frequent: true, metrics: [{ name: evil, value: 1, unit: `${evil}/s` }] }),
  stage({ type: "Sample", step: 1, prompt: evil, completion: evil }),
  stage({ type: "Saved", step: 1, directory: evil, best: true, bytes: 1, seconds: 1 }),
  stage({ type: "Resumed", step: 1, directory: evil, skipped: [{ directory: evil, why: evil }] }),
  stage({ type: "Gate", gate: evil, value: 1, relation: "at-least", threshold: 2, passed: false }),
  stage({ type: "Fault", kind: evil, message: evil, action: evil }),
  stage({ type: "Facts", facts: [{ label: evil, text: evil }] }),
  {
    type: "Health",
    residentBytes: 1,
    heapBytes: 1,
    threads: 1,
    cpu: 1,
    openFiles: 1,
    leak: evil
  },
  { type: "StageRetried", stage: evil, attempt: 2, error: evil, message: evil, delaySeconds: 1 },
  { type: "Failure", stage: evil, error: evil, message: evil }
] as const satisfies ReadonlyArray<RunEvent["event"]>
const log: ReadonlyArray<RunEvent> = events.map((event) => ({
  run: evil,
  at: "2026-11-22T21:03:01.000Z",
  event
}))

const environments = [
  { TERM: "xterm", LANG: "C.UTF-8" },
  { TERM: "xterm", NO_COLOR: "1" }
]

describe.each(environments)("a hostile text, with %j,", (environment) => {
  const screen = make(terminal(), environment)

  test("in the lines of a run", () => {
    for (const event of log)
      for (const line of linesOf(screen, 4, event)) expect(plain(line)).not.toMatch(forbidden)
  })

  test.each([
    ["monitor", (status: RunStatus.RunStatus) => compose(screen, status, 200, 60, "")],
    ["status", (status: RunStatus.RunStatus) => page(status)]
  ])("in %s, at any moment, also breaks no line", (_, draw) => {
    for (let seen = 1; seen <= log.length; seen++) {
      for (const line of draw(RunStatus.of(log.slice(0, seen)))) {
        expect(plain(line)).not.toMatch(forbidden)
        expect(line).not.toContain("\n")
      }
    }
  })

  test("in the live bars", async () => {
    const written: Array<string> = []
    const shown = make(
      { isTTY: true, columns: 200, rows: 50, write: (text) => written.push(text) },
      environment
    )
    await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const renderer = yield* Renderer.make(shown)
          for (const event of log) yield* renderer.show(event)
        })
      )
    )
    const words = plain(written.join("")).replaceAll(movements, "")
    expect(words).toContain("owned")
    expect(words).not.toMatch(forbidden)
  })

  test("in whatever is written, and in a line that is cut", () => {
    const written: Array<string> = []
    make({ isTTY: true, write: (text) => written.push(text) }, environment).write(evil)
    expect(written.join("")).not.toMatch(forbidden)
    expect(cut(evil, 200)).not.toMatch(/[\n\t]/)
    expect(cut(evil, 200)).not.toMatch(forbidden)
  })
})

test("the sentence that ends a command is sanitized, its details too", () => {
  const failed = Exit.failCause(Cause.fail(new WrongUsage({ message: evil })))
  expect(sentenceOf(failed, false)).not.toMatch(forbidden)
  expect(sentenceOf(failed, true)).not.toMatch(forbidden)
  expect(sentenceOf(Exit.die(new Error(evil)), true)).not.toMatch(forbidden)
})

const hostile = `
import { Effect, Schema } from "effect"
import { Artifact, Journal, Pipeline, Stage } from "@trainyard/core"
const evil = ${JSON.stringify(evil)}
const Nothing = Artifact.kind({ name: "nothing", version: 1, value: Schema.Struct({}) })
const speak = Stage.make({
  name: "speak", version: 1, source: import.meta.url, inputs: {}, output: Nothing,
  config: { text: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed(evil))) },
  run: Effect.fn(function* () {
    const journal = yield* Journal
    yield* journal.publish({ type: "Note", level: "warning", message: evil })
    yield* journal.publish({ type: "Progress", done: 1, unit: evil })
    yield* Effect.logError(evil)
    return yield* Effect.die(new Error(evil))
  })
})
export default Pipeline.make("hostile", () => speak())
`

test("the command line shows none of it, from run to status, monitor, plan and mistakes, in text and in JSON", async () => {
  const directory = emptyFolder()
  write(directory, { "job.ts": hostile })
  const commands = [
    ["run", "job.ts"],
    ["run", "job.ts", "--json"],
    ["status"],
    ["status", "--json"],
    ["status", "--watch"],
    ["monitor"],
    ["status", evil],
    ["run", "job.ts", `--${evil}`],
    ["run", "job.ts", "--set", `speak.${evil}=1`],
    ["plan", `${evil}.ts`]
  ]
  for (const command of commands) {
    const { stderr, stdout } = await trainyard({ directory, env: { TRAINYARD_DEBUG: "1" } }, ...command)
    expect(stdout + stderr).toContain("owned")
    expect(stdout + stderr).not.toMatch(forbidden)
  }
  const runs = join(directory, ".trainyard", "runs")
  for (const run of readdirSync(runs))
    for (const file of ["events.jsonl", "speak.failure.txt"])
      expect(readFileSync(join(runs, run, file), "utf8")).not.toMatch(forbidden)
}, 60_000)

test("only Output writes to the process's streams, and only what draws in place writes unsanitized", () => {
  const packages = fileURLToPath(new URL("../../../", import.meta.url))
  const writers: Array<string> = []
  const drawers: Array<string> = []
  for (const name of readdirSync(packages)) {
    // A program of its own, which prints its own words and the path that it was given.
    if (name === "create-trainyard") continue
    const source = join(packages, name, "src")
    if (!existsSync(source)) continue
    for (const file of readdirSync(source, { recursive: true, encoding: "utf8" })) {
      if (!file.endsWith(".ts")) continue
      const text = readFileSync(join(source, file), "utf8")
      if (/process\.std(?:out|err)|\bconsole\.|\bstd(?:out|err)\.write/.test(text)) writers.push(file)
      if (/\bscreen\.draw\(/.test(text)) drawers.push(file)
    }
  }
  expect(writers).toEqual(["Output.ts"])
  expect(drawers.sort()).toEqual(["Output.ts", "commands/bench.ts", "show/Block.ts", "show/FullScreen.ts"])
})
