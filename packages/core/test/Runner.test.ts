import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, FileSystem, Latch, Path, Schema } from "effect"
import { EventStream } from "../src/EventStream.ts"
import { Journal } from "../src/Journal.ts"
import * as Pipeline from "../src/Pipeline.ts"
import * as RunLog from "../src/RunLog.ts"
import * as Runner from "../src/Runner.ts"
import * as Stage from "../src/Stage.ts"
import { Workspace } from "../src/Workspace.ts"
import { chain, counter, filesBelow, live, runAll, statuses, Text, textStages } from "./harness.ts"

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

  it.live("an incidental setting changes nothing; a default written out changes nothing", () =>
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

describe("concurrency", () => {
  it.live("independent stages run at the same time", () =>
    Effect.gen(function* () {
      const here = { left: yield* Deferred.make<void>(), right: yield* Deferred.make<void>() }
      const meet = (own: "left" | "right", other: "left" | "right") =>
        Stage.make({
          name: own,
          version: 1,
          source: import.meta.url,
          inputs: {},
          output: Text,
          config: {},
          run: () =>
            Deferred.succeed(here[own], undefined).pipe(
              Effect.andThen(Deferred.await(here[other])),
              Effect.as({ length: 1 })
            )
        })
      const pipeline = Pipeline.make("both", () => [meet("left", "right")(), meet("right", "left")()])
      const { result } = yield* runAll(pipeline)
      expect(statuses(result)).toEqual({ left: "ran", right: "ran" })
    }).pipe(Effect.provide(live))
  )

  it.live("two runs at once make each artifact once", () =>
    Effect.gen(function* () {
      const { count, counts } = counter()
      const pipeline = chain(
        textStages({ count: (name) => Effect.andThen(count(name), Effect.sleep("50 millis")) })
      )
      const run = Runner.run(pipeline).pipe(Effect.provide(EventStream.layer, { local: true }))
      const [a, b] = yield* Effect.all([run, run], { concurrency: 2 })
      expect(counts).toEqual({ write: 1, double: 1 })
      expect(a.artifacts).toEqual(b.artifacts)
    }).pipe(Effect.provide(live))
  )
})

describe("interruption", () => {
  it.live("runs finalizers, says so, leaves the store clean and the scratch for the next attempt", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const workspace = yield* Workspace
      const reached = yield* Latch.make()
      const closed: Array<string> = []
      let first = true
      const train = Stage.make({
        name: "train",
        version: 1,
        source: import.meta.url,
        inputs: {},
        output: Text,
        config: {},
        run: Effect.fn("train")(function* ({ output, scratch }) {
          const kept = yield* fs.readDirectory(scratch)
          if (!first) return { length: kept.length }
          first = false
          const journal = yield* Journal
          yield* Effect.acquireRelease(Effect.void, () => Effect.sync(() => closed.push("pool")))
          yield* fs.writeFileString(path.join(scratch, "checkpoint"), "step 10")
          yield* fs.writeFileString(path.join(output, "half"), "half")
          yield* journal.publish({ type: "Progress", done: 1, unit: "steps" })
          yield* reached.open
          return yield* Effect.never
        })
      })
      const pipeline = Pipeline.make("stopped", () => textStages().double({ text: train() }))
      const running = yield* Effect.forkChild(runAll(pipeline))
      yield* reached.await
      yield* Fiber.interrupt(running)
      const exit = yield* Fiber.await(running)
      expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
      expect(closed).toEqual(["pool"])
      expect(yield* filesBelow(workspace.artifacts)).toEqual([])
      expect(yield* filesBelow(workspace.tmp)).toEqual([])
      expect(yield* filesBelow(workspace.locks)).toEqual([])
      const events = (yield* RunLog.read(yield* RunLog.find())).map(({ event }) => event)
      expect(events.slice(-2)).toMatchObject([
        { type: "StageFinished", stage: "train", status: "interrupted" },
        {
          type: "RunFinished",
          status: "interrupted",
          stages: [
            { name: "train", status: "interrupted" },
            { name: "double", status: "interrupted" }
          ]
        }
      ])
      const again = yield* runAll(Pipeline.make("stopped", () => train()))
      expect(again.result.stages[0]!.artifact!.value).toEqual({ length: 1 })
      expect(yield* filesBelow(workspace.scratch)).toEqual([])
    }).pipe(Effect.provide(live))
  )

  it.live("a stage that was not chosen was left out, not interrupted", () =>
    Effect.gen(function* () {
      const reached = yield* Latch.make()
      const wait = Stage.make({
        name: "wait",
        version: 1,
        source: import.meta.url,
        inputs: {},
        output: Text,
        config: {},
        run: () => Effect.andThen(reached.open, Effect.never)
      })
      const pipeline = Pipeline.make("chosen", () => textStages().double({ text: wait() }))
      const running = yield* Effect.forkChild(runAll(pipeline, { only: ["wait"] }))
      yield* reached.await
      yield* Fiber.interrupt(running)
      const events = (yield* RunLog.read(yield* RunLog.find())).map(({ event }) => event)
      expect(events.at(-1)).toMatchObject({
        stages: [
          { name: "wait", status: "interrupted" },
          { name: "double", status: "skipped" }
        ]
      })
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
