/** Two stages that take no time, in a file of their own: its code is what is hashed for their cache keys. */
import * as Artifact from "@trainyard/core/Artifact"
import * as Stage from "@trainyard/core/Stage"
import { Effect, FileSystem, Schema } from "effect"

const Words = Artifact.kind({ name: "words", version: 1, value: Schema.Struct({ words: Schema.Int }) })
export const read = Stage.make({
  name: "read",
  version: 1,
  source: import.meta.url,
  inputs: {},
  output: Words,
  config: {},
  run: Effect.fn(function* ({ output }) {
    const fs = yield* FileSystem.FileSystem
    yield* fs.writeFileString(`${output}/words.txt`, "five words")
    yield* fs.writeFileString(`${output}/report.md`, "# Words\n\n| a | b |\n| - | - |\n| 1 | 2 |\n")
    return { words: 5 }
  })
})
export const use = Stage.make({
  name: "use",
  version: 1,
  source: import.meta.url,
  inputs: { words: Words },
  output: Words,
  config: {},
  run: ({ inputs }) => Effect.succeed({ words: inputs.words.value.words })
})
