import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem, Schema } from "effect"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import * as Stage from "../../src/graph/Stage.ts"
import * as Runner from "../../src/run/Runner.ts"
import { Workspace } from "../../src/store/Workspace.ts"
import { chain, counter, live, runAll, statuses, Text, textStages } from "../harness.ts"

describe("reuse", () => {
  it.live("runs once, then reuses; a change of config runs what depends on it", () =>
    Effect.gen(function* () {
      const { count, counts } = counter()
      const stages = textStages({ count })
      const first = yield* runAll(chain(stages))
      expect(statuses(first.result)).toEqual({ write: "ran", double: "ran" })
      expect(first.result.status).toBe("succeeded")
      const second = yield* runAll(chain(stages))
      expect(statuses(second.result)).toEqual({ write: "cached", double: "cached" })
      expect(second.result.artifacts).toEqual(first.result.artifacts)
      const third = yield* runAll(chain(stages), { set: ["double.times=3"] })
      expect(statuses(third.result)).toEqual({ write: "cached", double: "ran" })
      expect(third.result.stages[1]!.artifact!.value).toEqual({ length: 15 })
      expect(counts).toEqual({ write: 1, double: 2 })
      expect(Runner.exitCode(third.result)).toBe(0)
    }).pipe(Effect.provide(live))
  )

  it.live("an excludeFromCacheKey setting changes nothing; a default written out changes nothing", () =>
    Effect.gen(function* () {
      yield* runAll(chain())
      const { result } = yield* runAll(chain(textStages(), { note: "for me", text: "hello" }))
      expect(statuses(result)).toEqual({ write: "cached", double: "cached" })
    }).pipe(Effect.provide(live))
  )

  it.live("a stage that is not reusable runs each time", () =>
    Effect.gen(function* () {
      const { count, counts } = counter()
      const sweep = Stage.make({
        name: "sweep",
        version: 1,
        source: import.meta.url,
        inputs: {},
        output: Text,
        config: {},
        reusable: false,
        run: ({ name }) => Effect.as(count(name), { length: 0 })
      })
      const stages = textStages()
      const pipeline = Pipeline.make("swept", () => stages.write({ after: [sweep()] }))
      yield* runAll(pipeline)
      const { result } = yield* runAll(pipeline)
      expect(statuses(result)).toEqual({ sweep: "ran", write: "cached" })
      expect(counts).toEqual({ sweep: 2 })
    }).pipe(Effect.provide(live))
  )

  it.live("an artifact that an earlier stage cleans away is made again in the same run", () =>
    Effect.gen(function* () {
      const { artifacts } = yield* Workspace
      const clean = Stage.make({
        name: "clean",
        version: 1,
        source: import.meta.url,
        inputs: {},
        output: Text,
        config: {},
        reusable: false,
        run: Effect.fn("clean")(function* () {
          const fs = yield* FileSystem.FileSystem
          yield* fs.remove(`${artifacts}/write`, { recursive: true, force: true })
          return { length: 0 }
        })
      })
      const stages = textStages()
      const pipeline = Pipeline.make("cleaned", () => stages.write({ after: [clean()] }))
      yield* runAll(pipeline)
      const { result } = yield* runAll(pipeline)
      expect(statuses(result)).toEqual({ clean: "ran", write: "ran" })
    }).pipe(Effect.provide(live))
  )
})
it.live("each node's config reaches it decoded", () =>
  Effect.gen(function* () {
    const seen: Array<unknown> = []
    const stage = Stage.make({
      name: "settle",
      version: 1,
      source: import.meta.url,
      inputs: {},
      output: Text,
      config: { every: Schema.FiniteFromString },
      run: ({ config }) => Effect.sync(() => ({ length: seen.push(config.every) }))
    })
    yield* runAll(Pipeline.make("settled", () => stage({ every: "2.5" })))
    expect(seen).toEqual([2.5])
  }).pipe(Effect.provide(live))
)
