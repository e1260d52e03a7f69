import { describe, expect, it } from "@effect/vitest"
import { Effect, FileSystem, Schema } from "effect"
import * as fc from "fast-check"
import * as Pipeline from "../../src/graph/Pipeline.ts"
import * as Stage from "../../src/graph/Stage.ts"
import * as Artifact from "../../src/store/Artifact.ts"
import * as Store from "../../src/store/Store.ts"
import { filesBelow, live, runAll, statuses, Text } from "../harness.ts"

const bundle = Stage.make({
  name: "bundle",
  version: 1,
  source: import.meta.url,
  inputs: {},
  output: Text,
  config: {},
  run: Effect.fn("bundle")(function* ({ output }) {
    const fs = yield* FileSystem.FileSystem
    yield* fs.makeDirectory(`${output}/inner`)
    yield* fs.writeFileString(`${output}/a.txt`, "first file")
    yield* fs.writeFileString(`${output}/inner/b.txt`, "second file")
    yield* fs.writeFileString(`${output}/empty.txt`, "")
    return { length: 2 }
  })
})
const pipeline = Pipeline.make("bundled", () => bundle())

const flip = Effect.fnUntraced(function* (file: string, at: number) {
  const fs = yield* FileSystem.FileSystem
  const bytes = yield* fs.readFile(file)
  bytes[at]! ^= 1
  yield* fs.writeFile(file, bytes)
})

describe("damage", () => {
  it.live("one flipped byte in any file is found, named, and the stage runs again", () =>
    Effect.gen(function* () {
      const { result } = yield* runAll(pipeline)
      const directory = result.artifacts.bundle!
      for (const file of ["a.txt", "inner/b.txt", "manifest.json"]) {
        yield* flip(`${directory}/${file}`, 3)
        const error = yield* Effect.flip(Store.open(Text, directory))
        expect(error.reason).toBe("damaged")
        expect(error.message).toContain(file)
        const { events, result: again } = yield* runAll(pipeline)
        expect(statuses(again)).toEqual({ bundle: "ran" })
        expect(events[0]).toMatchObject({ stages: [{ name: "bundle", runs: true }] })
        const fault = events.find((event) => event.type === "Stage" && event.event.type === "Fault")
        expect(fault).toMatchObject({ event: { kind: "damaged artifact" } })
        expect(JSON.stringify(fault)).toContain(file)
        expect((yield* Store.open(Text, directory)).value).toEqual({ length: 2 })
      }
    }).pipe(Effect.provide(live))
  )

  it.live("a change of any byte of the manifest is found", () =>
    Effect.gen(function* () {
      const { result } = yield* runAll(pipeline)
      const file = `${result.artifacts.bundle}/manifest.json`
      const fs = yield* FileSystem.FileSystem
      const { length } = yield* fs.readFile(file)
      for (let at = 0; at < length; at += 29) {
        yield* flip(file, at)
        expect((yield* Effect.flip(Store.open(Text, result.artifacts.bundle!))).reason).toBe("damaged")
        yield* flip(file, at)
      }
      yield* Store.open(Text, result.artifacts.bundle!)
    }).pipe(Effect.provide(live))
  )

  it.live("a missing, a longer and an unreadable file are found", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { result } = yield* runAll(pipeline)
      const directory = result.artifacts.bundle!
      yield* fs.writeFileString(`${directory}/a.txt`, "first file and more")
      expect((yield* Effect.flip(Store.open(Text, directory))).message).toContain(
        "file a.txt has 19 bytes instead of 10"
      )
      yield* fs.remove(`${directory}/a.txt`)
      expect((yield* Effect.flip(Store.open(Text, directory))).message).toContain("file a.txt is missing")
      yield* fs.makeDirectory(`${directory}/a.txt`)
      expect((yield* Effect.flip(Store.open(Text, directory))).message).toContain("a.txt")
    }).pipe(Effect.provide(live))
  )
})

describe("open", () => {
  it.live("opens an artifact that was carried somewhere else", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { result } = yield* runAll(pipeline)
      const elsewhere = `${yield* fs.makeTempDirectoryScoped()}/model`
      yield* fs.copy(result.artifacts.bundle!, elsewhere)
      const artifact = yield* Store.open(Text, elsewhere)
      expect(artifact).toMatchObject({ kind: "text", value: { length: 2 }, directory: elsewhere })
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.live("refuses another kind, another version, an empty folder, and none", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { result } = yield* runAll(pipeline)
      const refusal = (kind: Artifact.Kind, directory: string) => Effect.flip(Store.open(kind, directory))
      const directory = result.artifacts.bundle!
      const Model = Artifact.kind({ name: "model", version: 1, value: Schema.Struct({}) })
      expect((yield* refusal(Model, directory)).message).toContain(
        "holds a text (version 1); a model (version 1) is needed"
      )
      expect((yield* refusal({ ...Text, version: 2 }, directory)).reason).toBe("other-kind")
      const empty = yield* fs.makeTempDirectoryScoped()
      expect((yield* refusal(Text, empty)).message).toContain("is no artifact: it has no manifest.json")
      expect((yield* refusal(Text, `${empty}/none`)).reason).toBe("missing")
      yield* fs.writeFileString(`${empty}/manifest.json`, "{}")
      expect((yield* refusal(Text, empty)).reason).toBe("damaged")
    }).pipe(Effect.scoped, Effect.provide(live))
  )
})

it.live("whatever a manifest holds, opening it is a refusal with a sentence", () =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { result } = yield* runAll(pipeline)
    const directory = result.artifacts.bundle!
    const good = yield* fs.readFileString(`${directory}/manifest.json`)
    const odd = fc.sample(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.json(),
        fc.nat(good.length - 1).map((length) => good.slice(0, length)),
        fc.nat(good.length - 1).map((at) => `${good.slice(0, at)}x${good.slice(at + 1)}`),
        fc.constantFrom(
          "",
          "null",
          "[]",
          good.replace("a.txt", "../../a.txt"),
          good.replace(/ /g, ""),
          `${good} `
        )
      ),
      { numRuns: 60, seed: 7 }
    )
    for (const text of odd) {
      if (text === good) continue
      yield* fs.writeFileString(`${directory}/manifest.json`, text)
      const error = yield* Effect.flip(Store.open(Text, directory))
      expect(error.reason).toBe("damaged")
      expect(error.message).toContain("Run its stage again")
    }
  }).pipe(Effect.provide(live))
)

describe("write", () => {
  const odd = (make: (output: string) => Effect.Effect<unknown, unknown, FileSystem.FileSystem>) =>
    Pipeline.make("odd", () =>
      Stage.make({
        name: "odd",
        version: 1,
        source: import.meta.url,
        inputs: {},
        output: Text,
        config: {},
        run: ({ output }) => Effect.as(make(output), { length: 1 })
      })()
    )

  it.live("refuses links and the manifest's own name, and keeps nothing", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const linked = yield* runAll(odd((output) => fs.symlink("/etc/hostname", `${output}/link`)))
      expect(linked.result.stages[0]!.failure!.message).toContain("only files and folders can be kept")
      const named = yield* runAll(odd((output) => fs.writeFileString(`${output}/manifest.json`, "{}")))
      expect(named.result.stages[0]!.failure!.message).toContain("a name that the store keeps for itself")
      expect(yield* filesBelow(`${linked.result.directory}/../../artifacts`)).toEqual([])
    }).pipe(Effect.provide(live))
  )
})
