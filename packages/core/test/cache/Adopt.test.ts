import { pathToFileURL } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as Adopt from "../../src/cache/Adopt.ts"
import { ComputeIdentity } from "../../src/cache/CacheKey.ts"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import type * as Plan from "../../src/graph/Plan.ts"
import * as Stage from "../../src/graph/Stage.ts"
import * as Runner from "../../src/run/Runner.ts"
import { Workspace } from "../../src/store/Workspace.ts"
import { counter, live, runAll, statuses, Text, textStages } from "../harness.ts"

const plan = (pipeline: Pipeline.Any, options?: Plan.Options) =>
  Effect.map(Runner.plan(pipeline, options), ({ stages }) =>
    Object.fromEntries(
      stages.map((stage) => [
        stage.name,
        `${stage.action}: ${stage.why}${(stage.candidates ?? []).length > 0 ? " (can be kept)" : ""}`
      ])
    )
  )

/** A chain of two stages whose code is a file that the test changes. */
const place = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  const code = (n: number) => fs.writeFileString(`${folder}/stage.ts`, `export const x = ${n}`)
  yield* code(1)
  const counted = counter()
  const stages = textStages({ ...counted, source: pathToFileURL(`${folder}/stage.ts`).href })
  const pipeline = Pipeline.make("chain", () => stages.double({ text: stages.write({}) }))
  return { code, counts: counted.counts, fs, pipeline, stages }
})

const today = "\\d{4}-\\d\\d-\\d\\d"

describe("adopt", () => {
  it.live("keeps a stage's artifact and what it was made from, and says so until the next change", () =>
    Effect.gen(function* () {
      const { code, counts, fs, pipeline } = yield* place
      const first = yield* runAll(pipeline)
      const manifest = yield* fs.readFileString(`${first.result.artifacts.double}/manifest.json`)
      yield* code(2)
      expect(yield* plan(pipeline)).toEqual({
        write: "run: code of stage.ts changed (can be kept)",
        double: "run: code of stage.ts changed; input text changed (can be kept)"
      })
      const records = yield* Adopt.adopt(pipeline, {}, ["double"])
      expect(records.map(({ node, why }) => [node, why])).toEqual([
        ["write", "code of stage.ts changed"],
        ["double", "code of stage.ts changed"]
      ])
      const adopted = expect.stringMatching(
        new RegExp(`^reuse: adopted ${today} although: code of stage.ts changed$`)
      )
      expect(yield* plan(pipeline)).toEqual({ write: adopted, double: adopted })
      const second = yield* runAll(pipeline)
      expect(statuses(second.result)).toEqual({ write: "cached", double: "cached" })
      expect(second.result.artifacts).toEqual(first.result.artifacts)
      expect(second.events[0]).toMatchObject({ stages: [{ why: expect.stringContaining("adopted") }, {}] })
      expect(counts).toEqual({ write: 1, double: 1 })
      // The artifact still says who made it.
      expect(yield* fs.readFileString(`${first.result.artifacts.double}/manifest.json`)).toBe(manifest)
      // What follows is planned from the artifact that was kept.
      expect(yield* plan(pipeline, { set: ["double.times=3"] })).toEqual({
        write: adopted,
        double: "run: config.times 2 → 3; code of stage.ts changed"
      })
      yield* code(3)
      expect((yield* plan(pipeline)).write).toBe("run: code of stage.ts changed (can be kept)")
      yield* code(1)
      expect(yield* plan(pipeline)).toEqual({ write: "reuse: unchanged", double: "reuse: unchanged" })
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("needs no record for a stage of which nothing but its input changed", () =>
    Effect.gen(function* () {
      const { code, pipeline: _, stages } = yield* place
      const { double } = textStages()
      const pipeline = Pipeline.make("mixed", () => double({ text: stages.write({}) }))
      yield* runAll(pipeline)
      yield* code(2)
      expect((yield* plan(pipeline)).double).toBe("run: input text changed (can be kept)")
      expect((yield* Adopt.adopt(pipeline, {}, ["double"])).map(({ node }) => node)).toEqual(["write"])
      expect((yield* plan(pipeline)).double).toBe("reuse: unchanged")
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live(
    "refuses what more than code made stale, what is up to date, and what is damaged; nothing is recorded",
    () =>
      Effect.gen(function* () {
        const { code, fs, pipeline } = yield* place
        const refused = (options: Plan.Options, ...names: ReadonlyArray<string>) =>
          Effect.map(Effect.flip(Adopt.adopt(pipeline, options, names)), ({ message }) => message)
        expect(yield* refused({}, "write")).toContain(
          "cannot be adopted: never made. Only what a change of code"
        )
        const { result } = yield* runAll(pipeline)
        expect(yield* refused({}, "write")).toBe(
          "write would not run (unchanged), so there is nothing to adopt."
        )
        yield* code(2)
        expect(yield* refused({ set: ["write.text=bye"] }, "write")).toContain(
          "cannot be adopted: config.text hello → bye; code of stage.ts changed."
        )
        expect(yield* refused({}, "writ")).toContain("adopt writ:")
        yield* fs.writeFileString(`${result.artifacts.write}/text.txt`, "other")
        expect(yield* refused({}, "double")).toContain(
          "The artifact of write cannot be adopted: file text.txt"
        )
        expect(yield* fs.exists((yield* Workspace).adopted)).toBe(false)
      }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("gives way to an artifact that is made anew, and to none when it is damaged", () =>
    Effect.gen(function* () {
      const { code, counts, fs, pipeline } = yield* place
      const { result } = yield* runAll(pipeline)
      yield* code(2)
      yield* Adopt.adopt(pipeline, {}, ["double"])
      yield* fs.writeFileString(`${result.artifacts.double}/text.txt`, "other")
      expect((yield* plan(pipeline)).double).toMatch(/^run: /)
      yield* runAll(pipeline, { from: ["write"] })
      expect(counts).toEqual({ write: 2, double: 2 })
      expect(yield* plan(pipeline)).toEqual({ write: "reuse: unchanged", double: "reuse: unchanged" })
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("an adopted artifact that goes away during the run is not made under its old name", () =>
    Effect.gen(function* () {
      const { code, counts, fs, stages } = yield* place
      const wipe = Stage.make({
        name: "wipe",
        version: 1,
        source: import.meta.url,
        inputs: {},
        config: {},
        output: Text,
        reusable: false,
        run: Effect.fn(function* () {
          if (counts.write === 1) yield* fs.remove((yield* Workspace).artifacts, { recursive: true })
          return { length: 0 }
        })
      })
      const pipeline = Pipeline.make("wiped", () => stages.write({ after: [wipe({})] }))
      counts.write = -1
      yield* runAll(pipeline)
      yield* code(2)
      yield* Adopt.adopt(pipeline, {}, ["write"])
      counts.write = 1
      const { result } = yield* runAll(pipeline)
      const message = result.stages.find(({ name }) => name === "write")!.failure!.message
      expect(message).toContain("The artifact that was adopted")
      expect(message).toContain("Run again: it is then made anew.")
      counts.write = 2
      expect(statuses((yield* runAll(pipeline)).result).write).toBe("ran")
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("keeps what another build of the engine computed; not what another engine did", () =>
    Effect.gen(function* () {
      const learn = Stage.make({
        name: "learn",
        version: 1,
        source: import.meta.url,
        inputs: {},
        output: Text,
        config: {},
        usesBackend: true,
        run: () => Effect.succeed({ length: 1 })
      })
      const pipeline = Pipeline.make("learned", () => learn())
      const on = (engine: string, kernels: string) =>
        Effect.provideService(ComputeIdentity, {
          engine,
          precision: "f32",
          description: "",
          sources: [],
          kernels
        })
      yield* runAll(pipeline).pipe(on("cpu", "one"))
      expect(yield* plan(pipeline).pipe(on("cpu", "two"))).toEqual({
        learn: "run: build of the cpu engine changed (can be kept)"
      })
      expect(yield* plan(pipeline).pipe(on("native", "one"))).toEqual({
        learn: "run: engine cpu f32 → native f32"
      })
      yield* Adopt.adopt(pipeline, {}, ["learn"]).pipe(on("cpu", "two"))
      expect((yield* plan(pipeline).pipe(on("cpu", "two"))).learn).toMatch(/^reuse: adopted /)
    }).pipe(Effect.provide(live))
  )
})
