import { expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as Gc from "../src/Gc.ts"
import * as Pipeline from "../src/Pipeline.ts"
import * as Processes from "../src/Processes.ts"
import { Workspace } from "../src/Workspace.ts"
import { live, runAll, statuses, textStages } from "./harness.ts"

const { double, write } = textStages()
const pipeline = Pipeline.make("kept", () => double({ text: write() }))

it.live("keeps what latest runs use, lists the rest with sizes, and removes it", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const workspace = yield* Workspace
    expect(yield* Gc.list()).toEqual([])
    const old = yield* runAll(pipeline, { set: ["write.text=old"] })
    yield* runAll(pipeline)
    yield* runAll(Pipeline.make("other", () => write({ text: "other" })))
    yield* fs.makeDirectory(`${workspace.scratch}/abc`, { recursive: true })
    yield* fs.writeFileString(`${workspace.scratch}/abc/checkpoint`, "x".repeat(5000))
    // A process of this machine that is no more, this one, and one of another machine, which cannot be asked.
    const self = yield* Processes.self
    const dead = `${Processes.toText({ ...self, pid: 2 ** 22 + 1 })}.x`
    for (const name of [dead, `${Processes.toText(self)}.x`, "elsewhere.1.1.x"])
      yield* fs.writeFileString(`${workspace.tmp}/${name}`, "left behind")
    const items = yield* Gc.list()
    const paths = items.map(({ path }) => path)
    expect(items[0]).toEqual({ what: "scratch", path: "scratch/abc", bytes: 5000 })
    expect(paths).toContain(`runs/${old.result.run}`)
    for (const directory of Object.values(old.result.artifacts)) {
      expect(paths).toContain(directory.slice(workspace.root.length + 1))
    }
    expect(items.filter(({ what }) => what === "artifact")).toHaveLength(2)
    expect(items.filter(({ what }) => what === "run")).toHaveLength(1)
    expect(paths.filter((path) => path.startsWith("tmp/"))).toEqual([`tmp/${dead}`])
    expect(yield* Gc.remove(items)).toEqual(items)
    expect(yield* Gc.list()).toEqual([])
    expect(statuses((yield* runAll(pipeline)).result)).toEqual({ write: "cached", double: "cached" })
  }).pipe(Effect.provide(live))
)

it.live("leaves what a run has come to need since the list was made", () =>
  Effect.gen(function* () {
    const old = yield* runAll(pipeline, { set: ["write.text=old"] })
    yield* runAll(pipeline)
    const items = yield* Gc.list()
    expect(items.map(({ what }) => what).sort()).toEqual(["artifact", "artifact", "run"])
    const again = yield* runAll(pipeline, { set: ["write.text=old"] })
    expect(statuses(again.result)).toEqual({ write: "cached", double: "cached" })
    expect((yield* Gc.remove(items)).map(({ path }) => path)).toEqual([`runs/${old.result.run}`])
    expect(statuses((yield* runAll(pipeline, { set: ["write.text=old"] })).result)).toEqual({
      write: "cached",
      double: "cached"
    })
  }).pipe(Effect.provide(live))
)
