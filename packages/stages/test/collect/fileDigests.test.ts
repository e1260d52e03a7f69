import { renameSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, FileSystem } from "effect"
import { TestClock } from "effect/testing"

import { digestSources } from "../../src/collect/openSource.ts"
import * as Source from "../../src/collect/Source.ts"
import * as Running from "../runStage.ts"
import { bound } from "./bound.ts"
import { folderOf } from "./folders.ts"

/** Counts how often a folder's files are opened while work runs. */
const counting = Effect.fnUntraced(function* <A, E, R>(work: Effect.Effect<A, E, R>) {
  const fs = yield* FileSystem.FileSystem
  const read: Array<string> = []
  const counted = FileSystem.FileSystem.of({
    ...fs,
    readFile: (path) => {
      if (path.endsWith(".c")) read.push(path.slice(path.lastIndexOf("/") + 1))
      return fs.readFile(path)
    }
  })
  const result = yield* Effect.provideService(work, FileSystem.FileSystem, counted)
  return { result, read: read.sort() }
})

layer(Running.layer)("planning a folder", (it) => {
  const setUp = Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const workspace = yield* Workspace
    yield* fs.makeDirectory(workspace.root, { recursive: true })
    const root = yield* folderOf({ "a.c": "int a;\n", "b.c": "int b;\n", ".gitignore": "*.o\n" })
    const digest = counting(digestSources(bound(Source.folder(root)), { maximumFileBytes: 1 << 20 }))
    return { root, digest, now: yield* Effect.sync(() => Date.now()) }
  })

  it.effect("reads a file once, and again when it changed", () =>
    Effect.gen(function* () {
      const { digest, now, root } = yield* setUp
      yield* TestClock.setTime(now + 60_000)
      const first = yield* digest
      assert.deepStrictEqual(first.read, ["a.c", "b.c"])
      assert.deepStrictEqual(yield* digest, { result: first.result, read: [] })

      // The same size, and the time of the old content: the inode's own time still tells.
      const old = new Date(now - 100_000)
      writeFileSync(join(root, "a.c"), "int z;\n")
      utimesSync(join(root, "a.c"), old, old)
      const second = yield* digest
      assert.deepStrictEqual(second.read, ["a.c"])
      assert.notStrictEqual(second.result, first.result)
      assert.deepStrictEqual((yield* digest).read, [])

      writeFileSync(join(root, "c.c"), "int b;\n")
      renameSync(join(root, "c.c"), join(root, "b.c"))
      assert.deepStrictEqual((yield* digest).read, ["b.c"])

      // Something that git ignores changes no corpus.
      const third = yield* digest
      writeFileSync(join(root, "a.o"), "made")
      assert.deepStrictEqual(yield* digest, third)
    })
  )

  it.effect("reads a file again that changed just before it was read", () =>
    Effect.gen(function* () {
      const { digest, now } = yield* setUp
      yield* TestClock.setTime(now + 500)
      const first = yield* digest
      assert.deepStrictEqual(yield* digest, first)
      yield* TestClock.setTime(now + 60_000)
      assert.deepStrictEqual((yield* digest).read, ["a.c", "b.c"])
      assert.deepStrictEqual((yield* digest).read, [])
    })
  )

  it.effect("does not believe a damaged memory, and does without a place for one", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const workspace = yield* Workspace
      const { digest, now } = yield* setUp
      yield* TestClock.setTime(now + 60_000)
      const first = yield* digest
      const folder = join(workspace.root, "folders")
      for (const name of yield* fs.readDirectory(folder)) {
        const text = yield* fs.readFileString(join(folder, name))
        yield* fs.writeFileString(
          join(folder, name),
          text.replace(/ [0-9a-f]{64} a\.c/, ` ${"0".repeat(64)} a.c`)
        )
      }
      assert.deepStrictEqual(yield* digest, first)
      yield* fs.remove(workspace.root, { recursive: true })
      assert.deepStrictEqual(yield* digest, first)
      assert.isFalse(yield* fs.exists(workspace.root))
    })
  )
})
