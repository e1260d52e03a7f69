/**
 * A run in a process of its own: `node slow.ts WORKSPACE [forever]`. Its stage counts steps in its scratch folder, so that a later
 * attempt goes on; with `forever` it never ends by itself. Events go to standard output, one a line.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, FileSystem, Layer, Schema, Stream } from "effect"
import { EventStream } from "../../src/events/EventStream.ts"
import { encodeLine } from "../../src/events/RunEvent.ts"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import * as Stage from "../../src/graph/Stage.ts"
import { Journal } from "../../src/run/Journal.ts"
import * as Runner from "../../src/run/Runner.ts"
import * as Artifact from "../../src/store/Artifact.ts"
import * as Durable from "../../src/store/Durable.ts"
import { Workspace } from "../../src/store/Workspace.ts"

const [workspace = "", mode = ""] = process.argv.slice(2)

const Steps = Artifact.kind({
  name: "steps",
  version: 1,
  value: Schema.Struct({ resumedAt: Schema.Int, steps: Schema.Int })
})

const train = Stage.make({
  name: "train",
  version: 1,
  source: import.meta.url,
  inputs: {},
  output: Steps,
  config: {},
  run: Effect.fn("train")(function* ({ output, scratch }) {
    const fs = yield* FileSystem.FileSystem
    const journal = yield* Journal
    const file = `${scratch}/step`
    const resumedAt = Number(yield* fs.readFileString(file).pipe(Effect.orElseSucceed(() => "0")))
    yield* fs.writeFileString(`${output}/weights`, "half")
    for (let step = resumedAt + 1; mode === "forever" || step <= resumedAt + 3; step++) {
      yield* Effect.sleep("10 millis")
      yield* Durable.writeFile(file, String(step))
      yield* journal.publish({ type: "Progress", done: step, unit: "steps" })
    }
    yield* fs.writeFileString(`${output}/weights`, "whole")
    return { resumedAt, steps: resumedAt + 3 }
  })
})

const pipeline = Pipeline.make("slow", () => train())

const main = Effect.gen(function* () {
  const stream = yield* EventStream
  yield* stream.events.pipe(
    Stream.runForEach((event) => Effect.sync(() => process.stdout.write(encodeLine(event)))),
    Effect.forkScoped({ startImmediately: true })
  )
  const result = yield* Runner.run(pipeline)
  yield* Effect.sleep("20 millis")
  process.exitCode = Runner.exitCode(result)
}).pipe(
  Effect.scoped,
  Effect.provide(
    Layer.merge(Workspace.layer(workspace), EventStream.layer).pipe(Layer.provideMerge(NodeServices.layer))
  )
)

NodeRuntime.runMain(main)
