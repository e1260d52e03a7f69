import { expect, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import * as Gc from "../../src/store/Gc.ts"
import * as Processes from "../../src/store/Processes.ts"
import { Workspace } from "../../src/store/Workspace.ts"
import { live, runAll, statuses, textStages } from "../harness.ts"

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
    // A process of this machine that is no more, this one, one of a container with this host name, and one of an older version's file.
    const self = yield* Processes.self
    const gone = Processes.toText({ ...self, pid: 2 ** 22 + 1 })
    const far = Processes.toText({ ...self, machine: "0123456789abcdef", pid: 2 ** 22 + 1 })
    const dead = `${gone}.x`
    for (const name of [dead, `${Processes.toText(self)}.x`, `${far}.x`, "elsewhere.1.1.x", "notes.txt"])
      yield* fs.writeFileString(`${workspace.tmp}/${name}`, "x".repeat(9000))
    const longAgo = new Date(Date.now() - 2 * 86_400_000)
    const silent = `${far}.y`
    yield* fs.writeFileString(`${workspace.tmp}/${silent}`, "left behind")
    yield* fs.utimes(`${workspace.tmp}/${silent}`, longAgo, longAgo)
    for (const name of ["code.json.a.part", "code.json.b.part"])
      yield* fs.writeFileString(`${workspace.root}/${name}`, "{")
    yield* fs.utimes(`${workspace.root}/code.json.b.part`, longAgo, longAgo)
    for (const owner of [gone, far]) yield* fs.writeFileString(`${workspace.locks}/abc@${owner}.0`, "")
    // A run that has only just made its folder, one that never came further, and a folder that a person put there.
    for (const name of ["20990101-000000-000-aaaaaa", "20200101-000000-000-bbbbbb", "mine"])
      yield* fs.makeDirectory(`${workspace.runs}/${name}`)
    yield* fs.utimes(`${workspace.runs}/20200101-000000-000-bbbbbb`, longAgo, longAgo)
    const items = yield* Gc.list()
    const paths = items.map(({ path }) => path)
    expect(items[0]).toEqual({ what: "temporary", path: `tmp/${dead}`, bytes: 9000 })
    expect(paths).toContain(`runs/${old.result.run}`)
    for (const directory of Object.values(old.result.artifacts)) {
      expect(paths).toContain(directory.slice(workspace.root.length + 1))
    }
    expect(items.filter(({ what }) => what === "artifact")).toHaveLength(2)
    expect(items.filter(({ what }) => what === "run").map(({ path }) => path)).toEqual([
      `runs/${old.result.run}`,
      "runs/20200101-000000-000-bbbbbb"
    ])
    expect(items.filter(({ what }) => what === "temporary").map(({ path }) => path)).toEqual([
      `tmp/${dead}`,
      `tmp/${silent}`,
      "code.json.b.part",
      `locks/abc@${gone}.0`
    ])
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

it.live("keeps an artifact that another pipeline reads by its folder", () =>
  Effect.gen(function* () {
    const old = yield* runAll(pipeline, { set: ["write.text=old"] })
    yield* runAll(pipeline)
    const artifact = old.result.artifacts.double!
    const reader = Pipeline.make("reader", () => write({ text: `${artifact}/text.txt` }))
    yield* runAll(reader)
    const paths = (yield* Gc.list()).map(({ path }) => path)
    expect(paths.some((path) => artifact.endsWith(path))).toBe(false)
    expect(paths.some((path) => old.result.artifacts.write!.endsWith(path))).toBe(true)
  }).pipe(Effect.provide(live))
)
