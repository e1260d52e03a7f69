import { pathToFileURL } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, FileSystem, Latch, Path, Schedule, Schema } from "effect"
import { EventStream } from "../src/EventStream.ts"
import { ComputeIdentity } from "../src/Fingerprint.ts"
import { Journal } from "../src/Journal.ts"
import * as Pipeline from "../src/Pipeline.ts"
import * as Plan from "../src/Plan.ts"
import * as RunLog from "../src/RunLog.ts"
import * as Runner from "../src/Runner.ts"
import { InvalidSettings } from "../src/Settings.ts"
import * as Stage from "../src/Stage.ts"
import { Workspace } from "../src/Workspace.ts"
import { counter, Flaky, filesBelow, live, runAll, statuses, Text, textStages } from "./harness.ts"

const whys = (pipeline: Pipeline.Any, options?: Plan.Options) =>
  Effect.map(Runner.plan(pipeline, options), (plan) =>
    Object.fromEntries(plan.stages.map((stage) => [stage.name, `${stage.action}: ${stage.why}`]))
  )

const chain = (stages = textStages(), config: { readonly text?: string; readonly note?: string } = {}) =>
  Pipeline.make("chain", () => stages.double({ text: stages.write(config) }))

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

describe("plan", () => {
  it.live("gives the reason in one line", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const pipeline = chain()
      expect(yield* whys(pipeline)).toEqual({ write: "run: never made", double: "run: never made" })
      const { result } = yield* runAll(pipeline)
      expect(yield* whys(pipeline)).toEqual({ write: "reuse: unchanged", double: "reuse: unchanged" })
      expect(yield* whys(pipeline, { set: ["write.text=bye"] })).toEqual({
        write: "run: config.text hello → bye",
        double: "run: input text changed"
      })
      expect(yield* whys(pipeline, { force: true })).toEqual({
        write: "run: forced",
        double: "run: forced"
      })
      expect(yield* whys(pipeline, { from: ["double"] })).toEqual({
        write: "reuse: unchanged",
        double: "run: asked for by --from"
      })
      yield* fs.remove(`${result.artifacts.write}/text.txt`)
      expect((yield* whys(pipeline)).write).toBe("run: file text.txt is missing")
      yield* fs.remove(result.artifacts.write!, { recursive: true })
      expect((yield* whys(pipeline)).write).toBe("run: its artifact is gone")
    }).pipe(Effect.provide(live))
  )

  it.live("compares with what the node used last, not with what was made last", () =>
    Effect.gen(function* () {
      const pipeline = chain()
      yield* runAll(pipeline)
      yield* runAll(pipeline, { set: ["double.times=9"] })
      yield* runAll(pipeline)
      expect((yield* whys(pipeline, { set: ["double.times=5"] })).double).toBe("run: config.times 2 → 5")
    }).pipe(Effect.provide(live))
  )

  it.live("names the imported file whose code changed; comments and types do not count", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const write = (file: string, text: string) => fs.writeFileString(`${folder}/${file}`, text)
      yield* write("package.json", `{ "name": "own" }`)
      yield* write(
        "stage.ts",
        `import { help } from "./helper.ts"\nimport type { T } from "./types.ts"\nexport const x: T = help()\n`
      )
      yield* write("types.ts", `export type T = number\n`)
      yield* write("helper.ts", `import { deep } from "./deep.ts"\nexport const help = () => deep\n`)
      yield* write("deep.ts", `export const deep = 1\n`)
      const stages = textStages({ source: pathToFileURL(`${folder}/stage.ts`).href })
      const pipeline = Pipeline.make("coded", () => stages.write())
      yield* runAll(pipeline)
      yield* write("types.ts", `export type T = string | number\n`)
      yield* write("deep.ts", `// A comment.\nexport   const deep: number = 1\n`)
      expect(yield* whys(pipeline)).toEqual({ write: "reuse: unchanged" })
      yield* write("deep.ts", `export const deep = 2\n`)
      expect(yield* whys(pipeline)).toEqual({ write: "run: code of stage.ts changed: deep.ts" })
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("what a stage reads from outside counts; what cannot be read is planned to run", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* fs.makeTempDirectoryScoped()}/source.txt`
      const read = Stage.make({
        name: "read",
        version: 1,
        source: import.meta.url,
        inputs: {},
        output: Text,
        config: { file: Schema.String },
        outside: (config) => fs.readFileString(config.file),
        run: ({ config }) => Effect.map(fs.readFileString(config.file), ({ length }) => ({ length }))
      })
      const pipeline = Pipeline.make("outside", () => read({ file }))
      const failed = yield* runAll(pipeline)
      expect(failed.result.stages[0]!.failure!.message).toContain(`Stage read failed: there is no ${file}.`)
      yield* fs.writeFileString(file, "one")
      yield* runAll(pipeline)
      expect(yield* whys(pipeline)).toEqual({ read: "reuse: unchanged" })
      yield* fs.writeFileString(file, "other")
      expect(yield* whys(pipeline)).toEqual({ read: "run: what it reads from outside changed" })
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("an engine counts for stages that compute, and for no others", () =>
    Effect.gen(function* () {
      const learn = Stage.make({
        name: "learn",
        version: 1,
        source: import.meta.url,
        inputs: { text: Text },
        output: Text,
        config: {},
        computes: true,
        run: () => Effect.succeed({ length: 1 })
      })
      const { write } = textStages()
      const pipeline = Pipeline.make("learned", () => learn({ text: write() }))
      const on = (engine: string) =>
        Effect.provideService(ComputeIdentity, {
          engine,
          precision: "f32",
          description: `${engine}, 2 threads`
        })
      const { events } = yield* runAll(pipeline).pipe(on("cpu"))
      expect(events[0]).toMatchObject({ type: "RunStarted", backend: "cpu, 2 threads" })
      expect(yield* whys(pipeline).pipe(on("native"))).toEqual({
        write: "reuse: unchanged",
        learn: "run: engine cpu f32 → native f32"
      })
    }).pipe(Effect.provide(live))
  )
})

describe("choice of stages", () => {
  it.live("--only names what is missing, and runs when it is there", () =>
    Effect.gen(function* () {
      const pipeline = chain()
      const error = yield* Effect.flip(Runner.run(pipeline, { only: ["double"] }))
      expect(error).toBeInstanceOf(Plan.MissingInput)
      expect(error.message).toContain(`double reads "text", which write makes`)
      expect(error.message).toContain("never made")
      yield* runAll(pipeline, { only: ["write"] })
      const { result } = yield* runAll(pipeline, { only: ["double"] })
      expect(statuses(result)).toEqual({ write: "skipped", double: "ran" })
      expect(Object.keys(result.artifacts)).toEqual(["write", "double"])
    }).pipe(Effect.provide(live))
  )

  it.live("--only with the latest inputs takes what another config made", () =>
    Effect.gen(function* () {
      const pipeline = chain()
      yield* runAll(pipeline, { only: ["write"] })
      const options = { only: ["double"], set: ["write.text=other"] }
      expect(yield* Effect.flip(Runner.run(pipeline, options))).toBeInstanceOf(Plan.MissingInput)
      const { result } = yield* runAll(pipeline, { ...options, inputs: "latest" })
      expect(statuses(result)).toEqual({ write: "skipped", double: "ran" })
      expect(result.stages[1]!.artifact!.value).toEqual({ length: 10 })
      // What was made from the substitute does not pass for what the pipeline itself would make.
      const whole = yield* runAll(pipeline, { set: ["write.text=longer"] })
      expect(statuses(whole.result)).toEqual({ write: "ran", double: "ran" })
      const named = yield* runAll(pipeline, { set: ["write.text=other"] })
      expect(statuses(named.result)).toEqual({ write: "ran", double: "ran" })
    }).pipe(Effect.provide(live))
  )

  it.live("a supplied artifact stands in for a stage", () =>
    Effect.gen(function* () {
      const { result: other } = yield* runAll(
        Pipeline.make("other", () => textStages().write({ text: "supplied" }))
      )
      const { result } = yield* runAll(chain(), { supply: { write: other.stages[0]!.artifact! } })
      expect(statuses(result)).toEqual({ write: "skipped", double: "ran" })
      expect(result.stages[1]!.artifact!.value).toEqual({ length: 16 })
    }).pipe(Effect.provide(live))
  )

  it.live("force makes anew, from makes a stage and its followers anew", () =>
    Effect.gen(function* () {
      const { count, counts } = counter()
      const pipeline = chain(textStages({ count }))
      yield* runAll(pipeline)
      yield* runAll(pipeline, { force: true })
      expect(counts).toEqual({ write: 2, double: 2 })
      yield* runAll(pipeline, { from: ["double"] })
      expect(counts).toEqual({ write: 2, double: 3 })
      yield* runAll(pipeline, { force: ["write"] })
      expect(counts).toEqual({ write: 3, double: 3 })
    }).pipe(Effect.provide(live))
  )

  it.live("an unknown stage is wrong usage, with the nearest name", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Runner.run(chain(), { only: ["dobule"] }))
      expect(Runner.exitCodeOf(exit)).toBe(2)
      const error = yield* Effect.flip(Runner.run(chain(), { only: ["dobule"] }))
      expect(error).toBeInstanceOf(InvalidSettings)
      expect(error.message).toBe(
        `--only dobule: pipeline "chain" has no stage "dobule". Did you mean "double"? Its stages: write, double.`
      )
    }).pipe(Effect.provide(live))
  )
})

describe("failures", () => {
  const failing = <E>(
    run: () => Effect.Effect<{ readonly length: number }, E>,
    retry?: Schedule.Schedule<unknown, unknown>
  ) =>
    Stage.make({
      name: "failing",
      version: 1,
      source: import.meta.url,
      inputs: {},
      output: Text,
      config: {},
      ...(retry === undefined ? {} : { retry }),
      run: ({ output }) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          expect(yield* fs.readDirectory(output)).toEqual([])
          yield* fs.writeFileString(`${output}/half.txt`, "half")
          return yield* run()
        })
    })

  it.live("a transient error is tried again by the stage's schedule, told as events", () =>
    Effect.gen(function* () {
      let tries = 0
      const stage = failing(
        () =>
          ++tries < 3
            ? Effect.fail(new Flaky({ message: `The network broke ${tries}.`, transient: true }))
            : Effect.succeed({ length: tries }),
        Schedule.spaced("5 millis").pipe(Schedule.upTo({ times: 5 }))
      )
      const { events, result } = yield* runAll(Pipeline.make("flaky", () => stage()))
      expect(result.status).toBe("succeeded")
      expect(events.filter((event) => event.type === "StageRetried")).toEqual([
        {
          type: "StageRetried",
          stage: "failing",
          attempt: 2,
          error: "Flaky",
          message: "The network broke 1.",
          delaySeconds: 0.005
        },
        {
          type: "StageRetried",
          stage: "failing",
          attempt: 3,
          error: "Flaky",
          message: "The network broke 2.",
          delaySeconds: 0.005
        }
      ])
    }).pipe(Effect.provide(live))
  )

  it.live("gives up when the schedule ends, and at once on a final error", () =>
    Effect.gen(function* () {
      let tries = 0
      const stage = (transient: boolean) =>
        failing(
          () => Effect.suspend(() => Effect.fail(new Flaky({ message: `No ${++tries}.`, transient }))),
          Schedule.recurs(2)
        )
      const lasting = yield* runAll(Pipeline.make("lasting", () => stage(true)()))
      expect(tries).toBe(3)
      expect(lasting.result.stages[0]!.failure!.message).toBe("No 3.")
      expect(Runner.exitCode(lasting.result)).toBe(1)
      yield* runAll(Pipeline.make("final", () => stage(false)()))
      expect(tries).toBe(4)
    }).pipe(Effect.provide(live))
  )

  it.live("leaves nothing half-made; what depends on it is skipped; what does not goes on", () =>
    Effect.gen(function* () {
      const workspace = yield* Workspace
      const stage = failing(() => Effect.fail(new Flaky({ message: "It broke.", transient: false })))
      const { double, write } = textStages()
      const pipeline = Pipeline.make("partly", () => [double({ text: stage() }), write({ after: [] })])
      const { events, result } = yield* runAll(pipeline)
      expect(statuses(result)).toMatchObject({ failing: "failed", double: "skipped" })
      expect(result.status).toBe("failed")
      expect(events).toContainEqual({
        type: "Failure",
        stage: "failing",
        error: "Flaky",
        message: "It broke."
      })
      expect(yield* filesBelow(`${workspace.artifacts}/failing`)).toEqual([])
      expect(yield* filesBelow(workspace.tmp)).toEqual([])
      expect(yield* filesBelow(workspace.scratch)).toEqual([])
      expect(yield* filesBelow(workspace.locks)).toEqual([])
    }).pipe(Effect.provide(live))
  )

  it.live("a defect is one sentence, with the stack in the run's folder", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const stage = failing(() =>
        Effect.sync((): never => {
          throw new TypeError("x is not a function")
        })
      )
      const { result } = yield* runAll(Pipeline.make("defect", () => stage()))
      const failure = result.stages[0]!.failure!
      expect(failure.error).toBe("Defect")
      expect(failure.message).toContain(
        "Stage failing broke in a way that it does not foresee: x is not a function."
      )
      expect(failure.message).not.toContain("    at ")
      expect(yield* fs.readFileString(`${result.directory}/failing.failure.txt`)).toContain("Runner.test.ts")
    }).pipe(Effect.provide(live))
  )

  it.live("a gate that fails lets the artifact stand and ends with code 3", () =>
    Effect.gen(function* () {
      const pipeline = chain(textStages(), { text: "x".repeat(600) })
      const first = yield* runAll(pipeline)
      expect(statuses(first.result)).toEqual({ write: "ran", double: "ran" })
      expect(Runner.exitCode(first.result)).toBe(3)
      expect(first.events.at(-1)).toMatchObject({ type: "RunFinished", status: "failed" })
      expect(first.events).toContainEqual({
        type: "Failure",
        stage: "double",
        error: "GateFailed",
        message: "The text has 1200 letters, more than 1000."
      })
      const again = yield* runAll(pipeline)
      expect(statuses(again.result)).toEqual({ write: "cached", double: "cached" })
      expect(Runner.exitCode(again.result)).toBe(3)
    }).pipe(Effect.provide(live))
  )

  it.live("a value that its kind's Schema refuses is the stage's failure", () =>
    Effect.gen(function* () {
      const stage = failing(() => Effect.succeed({ length: 0.5 }))
      const { result } = yield* runAll(Pipeline.make("odd", () => stage()))
      expect(result.stages[0]!.failure!.message).toContain("failing did not make a text")
    }).pipe(Effect.provide(live))
  )
})

describe("trouble that a stage does not declare", () => {
  const broken = (run: () => Effect.Effect<{ readonly length: number }>, verdict?: () => undefined) =>
    Pipeline.make("broken", () =>
      Stage.make({
        name: "broken",
        version: 1,
        source: import.meta.url,
        inputs: {},
        output: Text,
        config: {},
        ...(verdict === undefined ? {} : { verdict }),
        run
      })()
    )
  const thrown = (error: Error) => () =>
    Effect.sync((): never => {
      throw error
    })

  it.live("a full disk met by code that knows nothing of Effect is told as one", () =>
    Effect.gen(function* () {
      const error = Object.assign(new Error("ENOSPC"), { code: "ENOSPC", path: "/disk/model.bin" })
      const { result } = yield* runAll(broken(thrown(error)))
      expect(result.stages[0]!.failure!.message).toMatch(
        /^Stage broken failed: no space is left on the disk of \/disk\/model.bin/
      )
    }).pipe(Effect.provide(live))
  )

  it.live("a stage that interrupts itself has failed; the run goes on to its end", () =>
    Effect.gen(function* () {
      const { events, result } = yield* runAll(broken(() => Effect.interrupt))
      expect(statuses(result)).toEqual({ broken: "failed" })
      expect(events.at(-1)).toMatchObject({ type: "RunFinished", status: "failed" })
    }).pipe(Effect.provide(live))
  )

  it.live("a verdict that throws is the stage's failure", () =>
    Effect.gen(function* () {
      const { result } = yield* runAll(
        broken(
          () => Effect.succeed({ length: 1 }),
          () => {
            throw new RangeError("no gates")
          }
        )
      )
      expect(result.stages[0]!.failure!.message).toContain("does not foresee: no gates.")
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
