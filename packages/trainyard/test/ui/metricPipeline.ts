/** A pipeline that publishes what a training does, in as many seconds as its parameter says, and needs no engine. */
export const metricPipeline = `
import { Effect, FileSystem, Schema } from "effect"
import { Artifact, Journal, Pipeline, Stage } from "@trainyard/core"

const Words = Artifact.kind({ name: "words", version: 1, value: Schema.Struct({ words: Schema.Int }) })

const collect = Stage.make({
  name: "collect",
  version: 1,
  source: import.meta.url,
  inputs: {},
  config: {},
  output: Words,
  run: () => Effect.succeed({ words: 5 })
})

const train = Stage.make({
  name: "train",
  version: 1,
  source: import.meta.url,
  inputs: { words: Words },
  config: {
    seconds: Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(3))),
    learningRate: Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0.001)))
  },
  output: Words,
  run: Effect.fn(function* ({ config, output }) {
    const journal = yield* Journal
    const fs = yield* FileSystem.FileSystem
    const steps = config.seconds * 20
    for (let step = 1; step <= steps; step++) {
      const loss = 1 + 4 * Math.exp(-step / 20)
      yield* journal.publish({ type: "Metric", step, frequent: true, metrics: [{ name: "loss", value: loss }] })
      yield* journal.publish({ type: "Progress", done: step, total: steps, unit: "steps" })
      if (step % 20 === 0)
        yield* journal.publish({ type: "Sample", step, prompt: "int ", completion: "step_" + step + "(void);" })
      yield* Effect.sleep(50)
    }
    yield* journal.publish({ type: "Gate", gate: "loss", value: 1.2, relation: "at-most", threshold: 3, passed: true })
    yield* fs.writeFileString(output + "/report.md", "# Report\\n\\nThe loss is **low**.\\n")
    return { words: 5 }
  })
})

export default Pipeline.make("live", () => train({ words: collect() }))
`
