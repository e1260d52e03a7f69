import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, FileSystem, Latch, Path, Schema, Stream } from "effect"
import { EventStream } from "../../src/events/EventStream.ts"
import type { RunEvent } from "../../src/events/RunEvent.ts"
import * as RunLog from "../../src/events/RunLog.ts"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import * as Stage from "../../src/graph/Stage.ts"
import { Journal } from "../../src/run/Journal.ts"
import * as Runner from "../../src/run/Runner.ts"
import * as RunStatus from "../../src/status/RunStatus.ts"
import { Workspace } from "../../src/store/Workspace.ts"
import { chain, counter, Flaky, filesBelow, live, runAll, statuses, Text, textStages } from "../harness.ts"

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

  /** Stages that note how many of them are at work at once, and for how long each of them is. */
  const atWork = () => {
    const seen = { now: 0, most: 0 }
    const stage = (name: string, options: { readonly usesBackend: boolean; readonly fails?: boolean }) =>
      Stage.make({
        name,
        version: 1,
        source: import.meta.url,
        inputs: {},
        output: Text,
        config: {},
        usesBackend: options.usesBackend,
        run: () =>
          Effect.gen(function* () {
            seen.now++
            seen.most = Math.max(seen.most, seen.now)
            yield* Effect.sleep("150 millis")
            if (options.fails === true) return yield* new Flaky({ message: "It breaks.", transient: false })
            return { length: 1 }
          }).pipe(Effect.ensuring(Effect.sync(() => seen.now--)))
      })()
    return { seen, stage }
  }

  it.live("stages that compute take turns, say so, and do not count the wait as their own time", () =>
    Effect.gen(function* () {
      const { seen, stage } = atWork()
      const pipeline = Pipeline.make("turns", () => [
        stage("one", { usesBackend: true }),
        stage("two", { usesBackend: true }),
        stage("three", { usesBackend: true })
      ])
      const { events, result } = yield* runAll(pipeline)
      expect(statuses(result)).toEqual({ one: "ran", two: "ran", three: "ran" })
      expect(seen.most).toBe(1)
      expect(events.filter(({ type }) => type === "StageWaiting")).toHaveLength(2)
      const waiting = events.find((event) => event.type === "StageWaiting")!
      // Which of them comes first is open.
      const first = events.find((event) => event.type === "StageStarted")!.stage
      expect(waiting).toEqual({ type: "StageWaiting", stage: waiting.stage, holder: first, reason: "turn" })
      // With their waits they would add up to more than the run took.
      const own = result.stages.reduce((sum, { seconds }) => sum + seconds, 0)
      expect(own).toBeGreaterThan(0.4)
      expect(own).toBeLessThanOrEqual(result.seconds)
      const started = events.findIndex(
        (event) => event.type === "StageStarted" && event.stage === waiting.stage
      )
      const ended = events.findIndex((event) => event.type === "StageFinished" && event.stage === first)
      expect(started).toBeGreaterThan(ended)
      const status = RunStatus.of(
        events.slice(0, events.indexOf(waiting) + 1).map((event) => ({ run: "r", at: "", event }))
      )
      expect(status.stages.find(({ name }) => name === waiting.stage)).toMatchObject({
        state: "waiting",
        message: `waits for its turn to compute, after ${first}`
      })
    }).pipe(Effect.provide(live))
  )

  it.live("with jobs, as many compute at once as are asked for", () =>
    Effect.gen(function* () {
      const { seen, stage } = atWork()
      const pipeline = Pipeline.make("jobs", () => [
        stage("one", { usesBackend: true }),
        stage("two", { usesBackend: true }),
        stage("three", { usesBackend: true })
      ])
      const { events } = yield* runAll(pipeline, { jobs: 2 })
      expect(seen.most).toBe(2)
      const waiting = events.filter((event) => event.type === "StageWaiting")
      expect(waiting).toHaveLength(1)
      expect(waiting[0]!.holder.split(", ")).toHaveLength(2)
    }).pipe(Effect.provide(live))
  )

  it.live("stages that do not compute run beside one that does", () =>
    Effect.gen(function* () {
      const { seen, stage } = atWork()
      const pipeline = Pipeline.make("beside", () => [
        stage("train", { usesBackend: true }),
        stage("collect", { usesBackend: false }),
        stage("count", { usesBackend: false })
      ])
      yield* runAll(pipeline)
      expect(seen.most).toBe(3)
    }).pipe(Effect.provide(live))
  )

  it.live("a stage whose turn comes after another one failed does not begin", () =>
    Effect.gen(function* () {
      const { stage } = atWork()
      const pipeline = Pipeline.make("halted", () => [
        stage("one", { usesBackend: true, fails: true }),
        stage("two", { usesBackend: true, fails: true })
      ])
      const { events, result } = yield* runAll(pipeline)
      expect(Object.values(statuses(result)).sort()).toEqual(["failed", "skipped"])
      expect(events.filter((event) => event.type === "StageStarted")).toHaveLength(1)
    }).pipe(Effect.provide(live))
  )

  it.live(
    "a run that is interrupted while a stage waits for its turn says so and gives everything back",
    () =>
      Effect.gen(function* () {
        const { seen, stage } = atWork()
        const pipeline = Pipeline.make("cut", () => [
          stage("one", { usesBackend: true }),
          stage("two", { usesBackend: true })
        ])
        const { locks, runs } = yield* Workspace
        const stream = yield* EventStream
        const waiting = yield* stream.events.pipe(
          Stream.takeUntil(({ event }) => event.type === "StageWaiting"),
          Stream.runDrain,
          Effect.forkChild({ startImmediately: true })
        )
        const running = yield* Effect.forkChild(Runner.run(pipeline))
        yield* Fiber.join(waiting)
        yield* Fiber.interrupt(running)
        expect(seen.now).toBe(0)
        expect(yield* filesBelow(locks)).toEqual([])
        const events = yield* RunLog.read(`${runs}/${(yield* RunLog.list())[0]}`)
        expect(events.at(-1)!.event).toMatchObject({
          type: "RunFinished",
          status: "interrupted",
          stages: [{ status: "interrupted" }, { status: "interrupted" }]
        })
      }).pipe(Effect.provide(live))
  )

  it.live("two runs that overlap in one process and share a stream: each log has its own events, whole", () =>
    Effect.gen(function* () {
      const here = { first: yield* Deferred.make<void>(), second: yield* Deferred.make<void>() }
      const meet = (own: "first" | "second", other: "first" | "second", pause: string) =>
        Pipeline.make(own, () =>
          Stage.make({
            name: own,
            version: 1,
            source: import.meta.url,
            inputs: {},
            output: Text,
            config: {},
            run: Effect.fn(function* () {
              const journal = yield* Journal
              yield* Deferred.succeed(here[own], undefined)
              yield* Deferred.await(here[other])
              for (let done = 1; done <= 20; done++) {
                yield* journal.publish({ type: "Progress", done, unit: own })
                yield* Effect.sleep(pause === "long" ? 10 : 2)
              }
              return { length: 1 }
            })
          })()
        )
      const stream = yield* EventStream
      const heard: Array<RunEvent> = []
      yield* stream.events.pipe(
        Stream.runForEach((event) => Effect.sync(() => heard.push(event))),
        Effect.forkScoped({ startImmediately: true })
      )
      const [first, second] = yield* Effect.all(
        [Runner.run(meet("first", "second", "short")), Runner.run(meet("second", "first", "long"))],
        { concurrency: 2 }
      )
      const fs = yield* FileSystem.FileSystem
      for (const [result, own] of [
        [first, "first"],
        [second, "second"]
      ] as const) {
        const events = yield* RunLog.read(result.directory!)
        expect(new Set(events.map(({ run }) => run))).toEqual(new Set([result.run]))
        expect(events[0]!.event).toMatchObject({ type: "RunStarted", pipeline: own })
        expect(events.at(-1)!.event).toMatchObject({ type: "RunFinished", status: "succeeded" })
        const progress = events.flatMap(({ event }) =>
          event.type === "Stage" && event.event.type === "Progress" ? [event.event] : []
        )
        expect(progress.map(({ done, unit }) => [done, unit])).toEqual(
          Array.from({ length: 20 }, (_, index) => [index + 1, own])
        )
        const spans = (yield* fs.readFileString(`${result.directory}/spans.jsonl`)).trimEnd().split("\n")
        expect(spans.filter((line) => line.includes(`"name":"run `))).toHaveLength(1)
        expect(spans.filter((line) => line.includes(`"name":"stage `))).toEqual([
          expect.stringContaining(`"name":"stage ${own}"`)
        ])
        // Whoever shares the stream hears both and can tell them apart.
        expect(heard.filter(({ run }) => run === result.run)).toEqual(events)
      }
    }).pipe(Effect.scoped, Effect.provide(live))
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
