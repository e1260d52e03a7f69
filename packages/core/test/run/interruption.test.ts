import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, FileSystem, Latch, Path } from "effect"
import * as RunLog from "../../src/events/RunLog.ts"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import * as Stage from "../../src/graph/Stage.ts"
import { Journal } from "../../src/run/Journal.ts"
import { Workspace } from "../../src/store/Workspace.ts"
import { filesBelow, live, runAll, Text, textStages } from "../harness.ts"

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
