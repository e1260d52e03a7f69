import { readdirSync } from "node:fs"
import { assert, layer } from "@effect/vitest"
import { Workspace } from "@trainyard/core/Workspace"
import { Effect, FileSystem } from "effect"
import { collect } from "../../src/collect/collect.ts"
import { complaint } from "../../src/collect/gitCommand.ts"
import * as Source from "../../src/collect/Source.ts"
import * as Running from "../runStage.ts"
import { jsonLines } from "./folders.ts"
import { commitAll, git, overwrite, repositoryOf } from "./repositories.ts"

const files = Object.fromEntries(
  Array.from({ length: 30 }, (_, i) => [`d${i % 3}/f${i}.c`, `int f${i};\n`.repeat(i + 1)])
)

const collected = Effect.fnUntraced(function* (...sources: ReadonlyArray<Source.Source>) {
  const { artifact, events } = yield* Running.runStage(collect({ sources }))
  const documents = yield* jsonLines(artifact.directory, "documents.jsonl")
  return {
    documents,
    paths: documents.map(({ path }) => String(path)),
    notes: events.flatMap((event) => (event.type === "Note" ? [event.message] : []))
  }
})

/** The folder of the repository that is kept. */
const keptRepository = Effect.gen(function* () {
  const { root } = yield* Workspace
  const names = readdirSync(`${root}/downloads/git`)
  assert.lengthOf(names, 1)
  return `${root}/downloads/git/${names[0]}`
})

const packOf = (directory: string, ending: string): string =>
  `${directory}/objects/pack/${readdirSync(`${directory}/objects/pack`).find((name) => name.endsWith(ending))}`

const flipped = (at: (length: number) => number) => (bytes: Uint8Array) => {
  const index = at(bytes.length)
  bytes[index] = bytes[index]! ^ 0x10
  return bytes
}

// Claims are renewed by the clock, so this needs the real one.
const withWorkspace = { excludeTestServices: true }

for (const [name, damage] of [
  ["an emptied HEAD", (kept: string) => overwrite(`${kept}/HEAD`, () => new Uint8Array())],
  ["a broken configuration", (kept: string) => overwrite(`${kept}/config`, () => Buffer.from("[core\n"))],
  [
    "a lost pack",
    (kept: string) => Effect.flatMap(FileSystem.FileSystem, (fs) => fs.remove(packOf(kept, ".pack")))
  ],
  [
    "an index that was cut off",
    (kept: string) => overwrite(packOf(kept, ".idx"), (bytes) => bytes.slice(0, 100))
  ],
  [
    "a stale lock file, and no commit",
    (kept: string) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        yield* fs.remove(`${kept}/objects`, { recursive: true })
        yield* fs.makeDirectory(`${kept}/objects/pack`, { recursive: true })
        yield* fs.writeFileString(`${kept}/shallow.lock`, "")
      })
  ]
] as const) {
  layer(Running.layer, withWorkspace)(`a kept repository with ${name}`, (it) => {
    it.effect("is fetched anew", () =>
      Effect.gen(function* () {
        const { commit, root } = yield* repositoryOf(files)
        const before = yield* collected(Source.git(root, { commit }))
        assert.lengthOf(before.paths, 30)
        yield* damage(yield* keptRepository)
        assert.deepStrictEqual((yield* collected(Source.git(root, { commit }))).paths, before.paths)
        const after = yield* collected(Source.git(root, { commit }))
        assert.deepStrictEqual(after, { ...before, notes: [] })
      })
    )
  })
}

layer(Running.layer, withWorkspace)("a kept repository with one other byte", (it) => {
  it.effect("gives the committed bytes all the same, wherever the byte lies", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { commit, root } = yield* repositoryOf(files)
      const before = yield* collected(Source.git(root, { commit }))
      const kept = yield* keptRepository
      let noticed = 0
      for (const ending of [".pack", ".idx"]) {
        const { size } = yield* fs.stat(packOf(kept, ending))
        for (let part = 0; part < 8; part++) {
          const at = Math.floor(((part + 0.5) * Number(size)) / 8)
          yield* overwrite(
            packOf(kept, ending),
            flipped(() => at)
          )
          const { documents, notes } = yield* collected(Source.git(root, { commit }))
          // With the digest of each.
          assert.deepStrictEqual(documents, before.documents)
          if (notes.some((note) => note.includes("is damaged"))) noticed++
        }
      }
      // Some bytes, such as checksums of the whole, are not read.
      assert.isAtLeast(noticed, 8)
    })
  )
})

layer(Running.layer, withWorkspace)("git repositories", (it) => {
  it.effect("may be named twice, with two commits", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { commit: first, root } = yield* repositoryOf({ "a.c": "int a;\n" })
      yield* fs.writeFileString(`${root}/b.c`, "int b;\n")
      const second = yield* commitAll(root)
      const { paths } = yield* collected(
        Source.git(root, { commit: first }),
        Source.git(root, { commit: second, include: ["b.c"] })
      ).pipe(Effect.timeout("20 seconds"))
      assert.deepStrictEqual(paths, ["a.c", "b.c"])
    })
  )

  it.effect("that are damaged or partial clones say so, once", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { commit, root } = yield* repositoryOf({ "a.c": "int a;\n", "b.c": "int b;\n" })
      yield* git(root, "config", "uploadpack.allowFilter", "true")
      yield* git(root, "clone", "--quiet", "--bare", "--filter=blob:none", `file://${root}`, "partial.git")
      yield* git(root, "clone", "--quiet", "--bare", ".", "damaged.git")
      yield* fs.remove(`${root}/damaged.git/objects`, { recursive: true })
      yield* fs.makeDirectory(`${root}/damaged.git/objects/pack`, { recursive: true })
      for (const [repository, says] of [
        [
          `${root}/partial.git`,
          /promisor remote.*It is a partial clone: fetch the rest into it with `git fetch --refetch`/
        ],
        [
          `file://${root}/damaged.git`,
          /git cannot fetch: .*Check the path, and the repository there with `git fsck`/
        ],
        [`${root}/nowhere`, /does not appear to be a git repository\. Check the path/]
      ] as const) {
        const error = yield* Effect.flip(collected(Source.git(repository, { commit })))
        assert.strictEqual(error._tag, "SourceUnavailable")
        assert.match(error.message, says)
        assert.notInclude(error.message, "password")
        if (error._tag === "SourceUnavailable") assert.isFalse(error.transient)
      }
    })
  )

  it.effect.skipIf(process.getuid?.() !== 0)("of another user pass on git's own advice", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { commit, root } = yield* repositoryOf({ "a.c": "int a;\n" })
      yield* fs.chown(`${root}/.git`, 65534, 65534)
      yield* fs.chown(root, 65534, 65534)
      const error = yield* Effect.flip(collected(Source.git(root, { commit })))
      assert.include(
        error.message,
        `dubious ownership in repository at '${root}/.git'; To add an exception for this directory, call: git config --global --add safe.directory ${root}/.git.`
      )
      if (error._tag === "SourceUnavailable") assert.isFalse(error.transient)
    })
  )

  it("are quoted without terminal escapes and credentials", () => {
    assert.strictEqual(
      complaint(
        "remote: \u001b]0;x\u0007\u001b[31mno\nfatal: unable to access 'https://me:secret@example.com/x'\n"
      ),
      "no; unable to access 'https://***@example.com/x'"
    )
  })
})
