/** What the tests share: small stages, a workspace in a temporary folder, and a run with everything that it said. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Fiber, FileSystem, Layer, Schema, Stream } from "effect"
import { EventStream } from "../src/events/EventStream.ts"
import type { RunEvent } from "../src/events/RunEvent.ts"
import * as Pipeline from "../src/graph/Pipeline.ts"
import * as Stage from "../src/graph/Stage.ts"
import * as Runner from "../src/run/Runner.ts"
import * as Artifact from "../src/store/Artifact.ts"
import { Workspace } from "../src/store/Workspace.ts"

export const Text = Artifact.kind({
  name: "text",
  version: 1,
  value: Schema.Struct({ length: Schema.Int })
})

export class Flaky extends Schema.TaggedError<Flaky>()("Flaky", {
  message: Schema.String,
  transient: Schema.Boolean
}) {}

/** Counts how often each stage really ran. */
export const counter = () => {
  const counts: Record<string, number> = {}
  return { counts, count: (name: string) => Effect.sync(() => (counts[name] = (counts[name] ?? 0) + 1)) }
}

/** A stage that writes its text into `text.txt`, and one that reads such a text and doubles it. */
export const textStages = (
  options: { readonly source?: string; readonly count?: (name: string) => Effect.Effect<unknown> } = {}
) => {
  const source = options.source ?? import.meta.url
  const count = options.count ?? (() => Effect.void)
  const write = Stage.make({
    name: "write",
    version: 1,
    source,
    inputs: {},
    output: Text,
    config: {
      text: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("hello"))),
      note: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("")))
    },
    excludeFromCacheKey: ["note"],
    run: Effect.fn("write")(function* ({ config, name, output }) {
      const fs = yield* FileSystem.FileSystem
      yield* count(name)
      yield* fs.writeFileString(`${output}/text.txt`, config.text)
      return { length: config.text.length }
    })
  })
  const double = Stage.make({
    name: "double",
    version: 1,
    source,
    inputs: { text: Text },
    output: Text,
    config: { times: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(2))) },
    run: Effect.fn("double")(function* ({ config, inputs, name, output }) {
      const fs = yield* FileSystem.FileSystem
      yield* count(name)
      const text = yield* fs.readFileString(`${inputs.text.directory}/text.txt`)
      yield* fs.writeFileString(`${output}/text.txt`, text.repeat(config.times))
      return { length: text.length * config.times }
    }),
    gate: ({ length }) => (length > 1000 ? `The text has ${length} letters, more than 1000.` : undefined)
  })
  return { write, double }
}

/** A pipeline of the two. */
export const chain = (
  stages = textStages(),
  config: { readonly text?: string; readonly note?: string } = {}
) => Pipeline.make("chain", () => stages.double({ text: stages.write(config) }))

/** A workspace in a temporary folder that goes when the test ends. */
export const temporaryWorkspace = Layer.unwrap(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return Workspace.layer(yield* fs.makeTempDirectoryScoped({ prefix: "trainyard-core-" }))
  })
)

/** Everything a run needs, on the real file system. */
export const live = Layer.merge(temporaryWorkspace, EventStream.layer).pipe(
  Layer.provideMerge(NodeServices.layer)
)

/** Runs a pipeline and gives its result with all events. */
export const runAll = <Out extends Artifact.Kind, E, R>(
  pipeline: Pipeline.Pipeline<Out, E, R>,
  options?: Runner.Options
) =>
  Effect.gen(function* () {
    const stream = yield* EventStream
    const events: Array<RunEvent> = []
    const reader = yield* stream.events.pipe(
      Stream.takeUntil(({ event }) => event.type === "RunFinished"),
      Stream.runForEach((event) => Effect.sync(() => events.push(event))),
      Effect.forkChild({ startImmediately: true })
    )
    const result = yield* Runner.run(pipeline, options)
    yield* Fiber.join(reader)
    return { result, events: events.map(({ event }) => event), stamped: events }
  })

/** Status of each stage, by name. */
export const statuses = (result: Runner.Result): Record<string, string> =>
  Object.fromEntries(result.stages.map((stage) => [stage.name, stage.status]))

/** Every path below a folder, sorted. */
export const filesBelow = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  if (!(yield* fs.exists(directory))) return []
  return (yield* fs.readDirectory(directory, { recursive: true })).sort()
})
