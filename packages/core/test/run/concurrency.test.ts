import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, FileSystem, Stream } from "effect"
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
