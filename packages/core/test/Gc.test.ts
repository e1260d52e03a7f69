import { expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as Gc from "../src/Gc.ts"
import * as Pipeline from "../src/Pipeline.ts"
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
    yield* fs.writeFileString(`${workspace.tmp}/gone.1.1.x`, "left behind")
    const items = yield* Gc.list()
    const paths = items.map(({ path }) => path)
    expect(items[0]).toEqual({ what: "scratch", path: "scratch/abc", bytes: 5000 })
    expect(paths).toContain(`runs/${old.result.run}`)
    for (const directory of Object.values(old.result.artifacts)) {
      expect(paths).toContain(directory.slice(workspace.root.length + 1))
    }
    expect(items.filter(({ what }) => what === "artifact")).toHaveLength(2)
    expect(items.filter(({ what }) => what === "run")).toHaveLength(1)
    yield* Gc.remove(items)
    expect(yield* Gc.list()).toEqual(items.filter(({ what }) => what === "temporary"))
    expect(statuses((yield* runAll(pipeline)).result)).toEqual({ write: "cached", double: "cached" })
  }).pipe(Effect.provide(live))
)
