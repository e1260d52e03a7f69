/** A pipeline that needs no engine and takes no time, as the text of a file anywhere on disk. */
export const tinyPipeline = `
import { Effect, Schema } from "effect"
import { Artifact, Journal, Pipeline, Stage } from "@trainyard/core"

const Words = Artifact.kind({ name: "words", version: 1, value: Schema.Struct({ words: Schema.Int }) })
const flag = Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false)))

const read = Stage.make({
  name: "read",
  version: 1,
  source: import.meta.url,
  inputs: {},
  config: {
    words: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(5))),
    seconds: Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0))),
    fails: flag,
    breaks: flag
  },
  output: Words,
  run: Effect.fn(function* ({ config }) {
    const journal = yield* Journal
    for (let part = 0; part < config.seconds * 20; part++) {
      yield* journal.publish({ type: "Progress", done: part, total: config.seconds * 20, unit: "files" })
      yield* Effect.sleep(50)
    }
    if (config.breaks) throw new Error("a fault of the stage's own")
    if (config.fails) return yield* Effect.fail({ _tag: "NoWords", message: "There are no words. Write some." })
    return { words: config.words }
  })
})

const judge = Stage.make({
  name: "judge",
  version: 1,
  source: import.meta.url,
  inputs: { words: Words },
  config: { atLeast: Schema.Int },
  output: Words,
  gate: ({ words }) => (words < 0 ? "There are too few words." : undefined),
  run: ({ config, inputs }) => Effect.succeed({ words: inputs.words.value.words - config.atLeast })
})

console.log("a pipeline file may print")
export default Pipeline.make("tiny", () => judge({ words: read(), atLeast: 3 }))
`
