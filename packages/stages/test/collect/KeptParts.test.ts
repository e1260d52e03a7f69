import { assert, layer } from "@effect/vitest"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, FileSystem, Path, Schema, Stream } from "effect"
import { collect } from "../../src/collect/collect.ts"
import * as Source from "../../src/collect/makeSource.ts"
import { folder } from "../../src/collect/sources/folder.ts"
import { git } from "../../src/collect/sources/git.ts"
import * as Running from "../runStage.ts"
import { folderOf, jsonLines } from "./folders.ts"
import { commitAll, repositoryOf } from "./repositories.ts"

/** A source of named texts, which tells how often each was read. */
const counted = () => {
  const reads: Array<string> = []
  let broken: string | undefined
  const source = Source.make({
    name: "counted",
    source: import.meta.url,
    config: { at: Schema.String, texts: Schema.Array(Schema.String) },
    origin: ({ at }) => at,
    open: ({ at, texts }) =>
      Effect.succeed({
        documents: Stream.suspend(() => {
          reads.push(at)
          return at === broken
            ? Stream.fail({ message: "it was cut off" })
            : Stream.fromIterable(texts.map((content, id) => ({ path: `${id}.c`, content })))
        })
      })
  })
  return {
    source: (at: string, ...texts: ReadonlyArray<string>) => source({ at, texts }),
    /** What was read since it was last asked. */
    read: () => reads.splice(0),
    breakAt: (at: string | undefined) => void (broken = at)
  }
}

/** Whether facts were published that say so. */
const says = (events: Running.Ran<never>["events"], text: string) =>
  events.some((event) => event.type === "Facts" && event.facts.some((fact) => fact.text === text))

const documents = (directory: string) =>
  Effect.map(jsonLines(directory, "documents.jsonl"), (lines) =>
    lines.map((line) => `${line.origin} ${line.path}`)
  )

layer(Running.layer)("kept sources", (it) => {
  it.effect("are not read again, and the corpus is the same as if they were", () =>
    Effect.gen(function* () {
      const { read, source } = counted()
      const one = source("one", "int a;\n", "int shared;\n")
      const two = (text: string) => source("two", text, "int shared;\n")
      const three = source("three", "int c;\n")
      yield* Running.runStage(collect({ sources: [one, two("int b;\n"), three] }))
      assert.deepStrictEqual(read(), ["one", "two", "three"])

      const changed = collect({ sources: [one, two("int changed;\n"), three] })
      const { artifact, events } = yield* Running.runStage(changed)
      assert.deepStrictEqual(read(), ["two"])
      assert.isTrue(says(events, "2 of 3 sources"))
      assert.deepStrictEqual(yield* documents(artifact.directory), [
        "counted:one 0.c",
        "counted:one 1.c",
        "counted:two 0.c",
        "counted:three 0.c"
      ])
      const afresh = yield* Running.runStage(
        collect({ sources: [one, two("int changed;\n"), three], keepSources: false })
      )
      assert.deepStrictEqual(read(), ["one", "two", "three"])
      assert.deepStrictEqual(afresh.artifact.value, artifact.value)
      const fs = yield* FileSystem.FileSystem
      for (const file of ["text.bin", "documents.jsonl", "skipped.jsonl"])
        assert.deepStrictEqual(
          yield* fs.readFile(`${afresh.artifact.directory}/${file}`),
          yield* fs.readFile(`${artifact.directory}/${file}`)
        )

      // A duplicate of a document that is gone comes back.
      const without = yield* Running.runStage(collect({ sources: [two("int changed;\n"), three] }))
      assert.deepStrictEqual(read(), [])
      assert.deepStrictEqual(yield* documents(without.artifact.directory), [
        "counted:two 0.c",
        "counted:two 1.c",
        "counted:three 0.c"
      ])
      // Other limits, another reading.
      yield* Running.runStage(collect({ sources: [one, three], maximumLineBytes: 100 }))
      assert.deepStrictEqual(read(), ["one", "three"])
    })
  )

  it.effect("are there for the run after one that broke off", () =>
    Effect.gen(function* () {
      const { breakAt, read, source } = counted()
      const node = collect({
        sources: [source("a", "int a;\n"), source("b", "int b;\n"), source("c", "c\n")]
      })
      breakAt("b")
      yield* Effect.flip(Running.runStage(node))
      assert.deepStrictEqual(read(), ["a", "b"])
      breakAt(undefined)
      const { artifact } = yield* Running.runStage(node)
      assert.deepStrictEqual(read(), ["b", "c"])
      assert.strictEqual(artifact.value.documents, 3)
    })
  )

  it.effect("that were damaged are read again", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const { root } = yield* Workspace
      const { read, source } = counted()
      const node = collect({ sources: [source("whole", "int a;\n"), source("cut", "int damage;\n")] })
      yield* Running.runStage(node)
      read()
      const folder = path.join(root, "downloads", "documents")
      for (const name of yield* fs.readDirectory(folder)) {
        const file = path.join(folder, name, "text.bin")
        if ((yield* fs.readFileString(file)).includes("damage"))
          yield* fs.writeFileString(file, "int dAmage;\n")
      }
      const { artifact } = yield* Running.runStage(node)
      assert.deepStrictEqual(read(), ["cut"])
      assert.include(yield* fs.readFileString(path.join(artifact.directory, "text.bin")), "int damage;")
    })
  )

  it.effect("are repositories at their commits: a changed pin reads one", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const one = yield* repositoryOf({ "a.c": "int a;\n", LICENSE: "SPDX-License-Identifier: MIT\n" })
      const two = yield* repositoryOf({ "b.c": "int b;\n" })
      const node = (commit: string) =>
        collect({ sources: [git(one.root, { commit: one.commit }), git(two.root, { commit })] })
      yield* Running.runStage(node(two.commit))
      yield* fs.writeFileString(`${two.root}/b.c`, "int newer;\n")
      const { artifact, events } = yield* Running.runStage(node(yield* commitAll(two.root)))
      assert.isTrue(says(events, "1 of 2 sources"))
      assert.include(yield* fs.readFileString(`${artifact.directory}/text.bin`), "int newer;")
    })
  )

  it.effect("are folders: a changed file reads its folder", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const [one, two] = [yield* folderOf({ "a.c": "int a;\n" }), yield* folderOf({ "b.c": "int b;\n" })]
      const node = collect({ sources: [folder(one), folder(two)] })
      yield* Running.runStage(node)
      yield* fs.writeFileString(`${two}/b.c`, "int newer;\n")
      const { artifact, events } = yield* Running.runStage(node)
      assert.isTrue(says(events, "1 of 2 sources"))
      assert.strictEqual(yield* fs.readFileString(`${artifact.directory}/text.bin`), "int a;\nint newer;\n")
    })
  )
})
