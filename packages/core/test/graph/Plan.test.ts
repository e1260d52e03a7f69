import { pathToFileURL } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem, Schema } from "effect"
import { ComputeIdentity } from "../../src/cache/CacheKey.ts"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import * as Plan from "../../src/graph/Plan.ts"
import { InvalidSettings } from "../../src/graph/Settings.ts"
import * as Stage from "../../src/graph/Stage.ts"
import * as Runner from "../../src/run/Runner.ts"
import { chain, counter, live, runAll, statuses, Text, textStages } from "../harness.ts"

const whys = (pipeline: Pipeline.Any, options?: Plan.Options) =>
  Effect.map(Runner.plan(pipeline, options), (plan) =>
    Object.fromEntries(plan.stages.map((stage) => [stage.name, `${stage.action}: ${stage.why}`]))
  )

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
        double: "run: asked to start from it"
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

  it.live("what a stage reads beside its inputs counts; what cannot be read is planned to run", () =>
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
        externalDigest: (config) => fs.readFileString(config.file),
        run: ({ config }) => Effect.map(fs.readFileString(config.file), ({ length }) => ({ length }))
      })
      const pipeline = Pipeline.make("outside", () => read({ file }))
      const failed = yield* runAll(pipeline)
      expect(failed.result.stages[0]!.failure!.message).toContain(`Stage read failed: there is no ${file}.`)
      yield* fs.writeFileString(file, "one")
      yield* runAll(pipeline)
      expect(yield* whys(pipeline)).toEqual({ read: "reuse: unchanged" })
      yield* fs.writeFileString(file, "other")
      expect(yield* whys(pipeline)).toEqual({ read: "run: what it reads beside its inputs changed" })
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
        usesBackend: true,
        run: () => Effect.succeed({ length: 1 })
      })
      const { write } = textStages()
      const pipeline = Pipeline.make("learned", () => learn({ text: write() }))
      const on = (engine: string) =>
        Effect.provideService(ComputeIdentity, {
          engine,
          precision: "f32",
          description: `${engine}, 2 threads`,
          sources: [],
          kernels: ""
        })
      const { events } = yield* runAll(pipeline).pipe(on("cpu"))
      expect(events[0]).toMatchObject({ type: "RunStarted", backend: "cpu, 2 threads" })
      expect(yield* whys(pipeline).pipe(on("native"))).toEqual({
        write: "reuse: unchanged",
        learn: "run: engine cpu f32 → native f32"
      })
      // Another build of the same engine: new kernels, or other code that chooses among them.
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const lowering = (text: string) => fs.writeFileString(`${folder}/lower.ts`, text)
      yield* lowering("export const lower = (n: number) => n")
      const built = (kernels: string) =>
        Effect.provideService(ComputeIdentity, {
          engine: "cpu",
          precision: "f32",
          description: "",
          sources: [pathToFileURL(`${folder}/lower.ts`).href],
          kernels
        })
      yield* runAll(pipeline).pipe(built("one"))
      yield* lowering("// The same.\nexport const lower = (n: number): number => n")
      expect((yield* whys(pipeline).pipe(built("one"))).learn).toBe("reuse: unchanged")
      const other = { write: "reuse: unchanged", learn: "run: build of the cpu engine changed" }
      expect(yield* whys(pipeline).pipe(built("two"))).toEqual(other)
      yield* lowering("export const lower = (n: number) => n + 1")
      expect(yield* whys(pipeline).pipe(built("one"))).toEqual(other)
    }).pipe(Effect.scoped, Effect.provide(live))
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

  it.live("a stage named like what every object has is made like any other", () =>
    Effect.gen(function* () {
      const { result } = yield* runAll(
        Pipeline.make("odd", () => textStages().write({ text: "x", name: "constructor" }))
      )
      expect(statuses(result)).toEqual({ constructor: "ran" })
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
      const error = yield* Effect.flip(Runner.run(chain(), { only: ["dobule"] }))
      expect(error).toBeInstanceOf(InvalidSettings)
      expect(error.message).toBe(
        `only dobule: pipeline "chain" has no stage "dobule". Did you mean "double"? Its stages: write, double.`
      )
    }).pipe(Effect.provide(live))
  )
})
