/**
 * A pipeline for the tests of workers, as the text of a file: `count` counts steps in its scratch folder, so that a later attempt goes on, and
 * notes each step in a file beside the store; `block` keeps its event loop busy; `double` reads what both made.
 */
export const job = `
import { appendFileSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { Effect, Schema } from "effect"
import { Artifact, Journal, Pipeline, Stage } from "@trainyard/core"

const Words = Artifact.kind({ name: "words", version: 1, value: Schema.Struct({ words: Schema.Int }) })
const whole = (value: number) => Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value)))

const count = Stage.make({
  name: "count",
  version: 1,
  source: import.meta.url,
  inputs: {},
  config: { steps: whole(10), milliseconds: whole(1) },
  output: Words,
  run: Effect.fn(function* ({ config, name, output, scratch }) {
    const journal = yield* Journal
    const saves = () => readdirSync(scratch).filter((each) => /^step-\\d+$/.test(each))
    const from = Math.max(0, ...saves().map((each) => Number(each.slice(5))))
    if (from > 0) yield* journal.publish({ type: "Resumed", step: from, directory: scratch, skipped: [] })
    for (let step = from + 1; step <= config.steps; step++) {
      yield* Effect.sleep(config.milliseconds)
      appendFileSync("steps.log", [name, step, process.pid, Date.now()].join(" ") + "\\n")
      const directory = scratch + "/step-" + step
      mkdirSync(directory + ".part", { recursive: true })
      writeFileSync(directory + ".part/step", String(step))
      renameSync(directory + ".part", directory)
      for (const each of saves()) if (each !== "step-" + step) rmSync(scratch + "/" + each, { recursive: true })
      yield* journal.publish({ type: "Saved", step, directory, best: false, bytes: 1, seconds: 0 })
    }
    writeFileSync(output + "/words.txt", "word ".repeat(config.steps))
    return { words: config.steps }
  })
})

const block = Stage.make({
  name: "block",
  version: 1,
  source: import.meta.url,
  inputs: {},
  config: { milliseconds: whole(1) },
  output: Words,
  run: ({ config }) =>
    Effect.sync(() => {
      const end = Date.now() + config.milliseconds
      while (Date.now() < end);
      return { words: 1 }
    })
})

const double = Stage.make({
  name: "double",
  version: 1,
  source: import.meta.url,
  inputs: { a: Words, b: Words },
  config: { fails: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))) },
  output: Words,
  run: ({ config, inputs }) =>
    config.fails
      ? Effect.fail({ _tag: "NoWords", message: "There are no words. Write some." })
      : Effect.succeed({ words: 2 * (inputs.a.value.words + inputs.b.value.words) })
})

export default Pipeline.make("words", () => double({ a: count(), b: block() }))
`
