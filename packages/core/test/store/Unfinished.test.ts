/** Work that an interrupted run left: it stays, whatever runs or cleans next, and is listed with what resumes it. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, FileSystem, Path, Schema } from "effect"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import * as Stage from "../../src/graph/Stage.ts"
import { Journal } from "../../src/run/Journal.ts"
import * as Runner from "../../src/run/Runner.ts"
import * as Gc from "../../src/store/Gc.ts"
import * as Lock from "../../src/store/Lock.ts"
import * as Processes from "../../src/store/Processes.ts"
import * as Unfinished from "../../src/store/Unfinished.ts"
import { Workspace } from "../../src/store/Workspace.ts"
import { live, runAll, statuses, Text, textStages } from "../harness.ts"

const { write } = textStages()

/** Saves a checkpoint and then, unless there was one already, never ends. With `steps` below 10 it needs none. */
const training = (options: { readonly reusable?: boolean } = {}) =>
  Stage.make({
    name: "train",
    version: 1,
    source: import.meta.url,
    inputs: { text: Text },
    output: Text,
    reusable: options.reusable ?? true,
    config: { steps: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(20))) },
    run: Effect.fn("train")(function* ({ config, output, scratch }) {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const journal = yield* Journal
      const kept = yield* fs.readDirectory(scratch)
      yield* fs.writeFileString(path.join(output, "resumed.txt"), kept.length === 0 ? "no" : "yes")
      if (config.steps < 10 || kept.length > 0) return { length: config.steps }
      for (const step of [5, 10]) {
        const directory = path.join(scratch, "checkpoints", `step-${step}`)
        yield* fs.makeDirectory(directory, { recursive: true })
        yield* fs.writeFileString(path.join(directory, "state"), "x".repeat(step * 100))
        yield* journal.publish({
          type: "Saved",
          step,
          directory,
          best: false,
          bytes: 1,
          seconds: 0
        })
      }
      yield* fs.remove(path.join(scratch, "checkpoints", "step-5"), { recursive: true })
      return yield* Effect.never
    })
  })

const train = training()
const pipeline = Pipeline.make("job", () => train({ text: write() }))
const command = { directory: "/home/me", words: ["run", "job.ts"] }

/** Runs until the last checkpoint is saved, and stops as Ctrl-C does. */
const interrupt = <E, R>(job: Pipeline.Pipeline<typeof Text, E, R>, options: Runner.Options = {}) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { scratch } = yield* Workspace
    const running = yield* Runner.run(job, { command, ...options }).pipe(Effect.forkChild)
    const saved = Effect.gen(function* () {
      const names = yield* fs.readDirectory(scratch, { recursive: true }).pipe(Effect.orElseSucceed(() => []))
      return (
        names.some((name) => name.endsWith("step-10/state")) && !names.some((name) => name.endsWith("step-5"))
      )
    })
    while (!(yield* saved)) yield* Effect.sleep("5 millis")
    yield* Fiber.interrupt(running)
  })

const resumed = Effect.fnUntraced(function* (result: Runner.Result) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.readFileString(`${result.artifacts.train}/resumed.txt`)
})

const paths = (items: ReadonlyArray<Gc.Item>) => items.map(({ path }) => path)

describe("work that an interrupted run left", () => {
  it.live("is there after another experiment and gc, and the first command resumes it", () =>
    Effect.gen(function* () {
      yield* interrupt(pipeline)
      const [work] = (yield* Unfinished.list()).waiting
      expect(work).toMatchObject({
        stage: "train",
        pipeline: "job",
        step: 10,
        bytes: 1000,
        command,
        inUse: null,
        artifact: null
      })
      expect(Date.now() - work!.changedAt).toBeLessThan(60_000)
      // Other steps, other text: the newest run of the pipeline names neither the scratch nor the text that it was made from.
      const other = yield* runAll(pipeline, { set: ["train.steps=5", "write.text=other"] })
      expect(statuses(other.result)).toEqual({ write: "ran", train: "ran" })
      // A run that leaves the stage out is none that resumes it.
      yield* runAll(pipeline, {
        only: ["write"],
        set: ["write.text=other"],
        command: { directory: "/", words: ["run", "--only", "write"] }
      })
      expect((yield* Unfinished.list()).waiting).toEqual([work])
      const items = yield* Gc.list()
      expect(items.filter(({ what }) => what === "scratch" || what === "artifact")).toEqual([])
      expect(paths(items)).not.toContain(`runs/${work!.run}`)
      yield* Gc.remove(items)
      const again = yield* runAll(pipeline)
      expect(statuses(again.result)).toEqual({ write: "cached", train: "ran" })
      expect(yield* resumed(again.result)).toBe("yes")
      expect(yield* Unfinished.list()).toEqual({ waiting: [], useless: [] })
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("goes when it is asked for by name or by age, and not while somebody works on it", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { locks, scratch } = yield* Workspace
      yield* interrupt(pipeline)
      const { cacheKey } = (yield* Unfinished.list()).waiting[0]!
      const path = `scratch/${cacheKey}`
      const old = { scratchOlderThan: 30 * 86_400_000 }
      expect(paths(yield* Gc.list(old))).not.toContain(path)
      expect(paths(yield* Gc.list({ scratch: ["0".repeat(64)] }))).not.toContain(path)
      expect(paths(yield* Gc.list({ scratch: [cacheKey] }))).toContain(path)
      const longAgo = new Date(Date.now() - 31 * 86_400_000)
      yield* fs.utimes(`${scratch}/${cacheKey}/checkpoints/step-10/state`, longAgo, longAgo)
      const items = yield* Gc.list(old)
      expect(paths(items)).toContain(path)
      // A container of the same host name works on it since.
      const far = Processes.toText({ ...(yield* Processes.self), machine: "0123456789abcdef" })
      const claim = `${locks}/${cacheKey}@${far}.0`
      yield* fs.writeFileString(claim, "")
      expect(paths(yield* Gc.list(old))).not.toContain(path)
      expect(paths(yield* Gc.remove(items, old))).not.toContain(path)
      expect((yield* Unfinished.list()).waiting[0]!.inUse?.file).toBe(claim)
      yield* fs.remove(claim)
      expect(paths(yield* Gc.remove(items, old))).toContain(path)
      expect(yield* fs.readDirectory(scratch)).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("is told from what nothing can be resumed from", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { scratch } = yield* Workspace
      const empty = "a".repeat(64)
      yield* fs.makeDirectory(`${scratch}/${empty}/checkpoints`, { recursive: true })
      const { result } = yield* runAll(pipeline, { set: ["train.steps=5"] })
      // A process killed after its artifact was in place and before its scratch was gone.
      const done = result.artifacts.train!.split("/").at(-1)!
      yield* fs.makeDirectory(`${scratch}/${done}`)
      yield* fs.writeFileString(`${scratch}/${done}/checkpoint`, "x")
      const before = new Date(Date.now() - 60_000)
      yield* fs.utimes(`${scratch}/${done}/checkpoint`, before, before)
      expect((yield* Unfinished.list()).useless.sort()).toEqual([empty, done].sort())
      const going = (yield* Gc.list()).filter(({ what }) => what === "scratch")
      expect(paths(going).sort()).toEqual([`scratch/${empty}`, `scratch/${done}`].sort())
      // Work that began after the artifact was made is something else: a run that was told to make it anew.
      const after = new Date(Date.now() + 60_000)
      yield* fs.utimes(`${scratch}/${done}/checkpoint`, after, after)
      expect((yield* Unfinished.list()).waiting).toMatchObject([
        { cacheKey: done, artifact: result.artifacts.train }
      ])
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("of a stage that runs every time is gone on with, too", () =>
    Effect.gen(function* () {
      const always = Pipeline.make("always", () => training({ reusable: false })({ text: write() }))
      yield* interrupt(always)
      expect(yield* resumed((yield* runAll(always)).result)).toBe("yes")
    }).pipe(Effect.scoped, Effect.provide(live))
  )
})

it.live("a run that lost its claim to another machine stops with a sentence", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { locks } = yield* Workspace
    const running = yield* runAll(pipeline).pipe(
      Effect.provideService(Lock.Timing, { renewEvery: Duration.millis(50), lostAfter: Duration.minutes(5) }),
      Effect.forkChild
    )
    const trains = Effect.map(
      fs.readDirectory(locks).pipe(Effect.orElseSucceed(() => [])),
      (names) => names.length > 0
    )
    while (!(yield* trains)) yield* Effect.sleep("5 millis")
    yield* Effect.sleep("500 millis")
    for (const name of yield* fs.readDirectory(locks)) yield* fs.remove(`${locks}/${name}`)
    const { events, result } = yield* Fiber.join(running)
    expect(statuses(result)).toEqual({ write: "ran", train: "failed" })
    expect(events.find((event) => event.type === "Failure")?.message).toMatch(
      /Its claim .* was removed while it worked.* run it again/
    )
    expect((yield* Unfinished.list()).waiting).toHaveLength(1)
  }).pipe(Effect.scoped, Effect.provide(live))
)
