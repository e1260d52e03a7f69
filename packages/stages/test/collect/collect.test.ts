import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem, Path, Schema } from "effect"
import * as CorpusReader from "../../src/collect/CorpusReader.ts"
import { collect } from "../../src/collect/collect.ts"

import { digestSources } from "../../src/collect/openSource.ts"
import * as Source from "../../src/collect/Source.ts"
import * as Running from "../runStage.ts"
import { bound } from "./bound.ts"
import { folderOf, jsonLines } from "./folders.ts"

const paths = (lines: ReadonlyArray<Record<string, unknown>>) => lines.map((line) => line.path)

layer(Running.layer)("collect", (it) => {
  it.effect("takes the text files of a folder in the order of their names", () =>
    Effect.gen(function* () {
      const root = yield* folderOf({
        "src/b.c": "int b;\n",
        "src/a.c": "/* SPDX-License-Identifier: BSD-2-Clause */\nint a;\n",
        "README.md": "# Hello\n",
        "package.json": '{"license":"MIT"}',
        ".git/config": "[core]\n"
      })
      const { artifact, events } = yield* Running.runStage(
        collect({ sources: [Source.folder(root, { exclude: ["package.json"] })] })
      )
      const documents = yield* jsonLines(artifact.directory, "documents.jsonl")
      assert.deepStrictEqual(paths(documents), ["README.md", "src/a.c", "src/b.c"])
      assert.deepStrictEqual(
        documents.map((document) => document.licence),
        ["MIT", "BSD-2-Clause", "MIT"]
      )
      assert.deepStrictEqual(artifact.value.kinds, [
        { kind: "c", documents: 2, bytes: 58 },
        { kind: "md", documents: 1, bytes: 8 }
      ])
      const corpus = yield* CorpusReader.open(artifact.directory)
      assert.strictEqual(corpus.documents, 3)
      assert.strictEqual(yield* corpus.text(2), "int b;\n")
      assert.strictEqual((yield* corpus.document(0)).path, "README.md")
      assert.isTrue(events.some((event) => event.type === "Facts"))
    })
  )

  it.effect("honours .gitignore files as git does, and can be told not to", () =>
    Effect.gen(function* () {
      const root = yield* folderOf({
        ".gitignore": "build/\n*.log.txt\n!keep.log.txt\n",
        "a.txt": "a\n",
        "x.log.txt": "x\n",
        "keep.log.txt": "k\n",
        "build/made.txt": "m\n",
        "sub/.gitignore": "/local.txt\n",
        "sub/local.txt": "l\n",
        "sub/deep/local.txt": "d\n"
      })
      const include = ["**/*.txt"]
      const ignored = yield* Running.runStage(collect({ sources: [Source.folder(root, { include })] }))
      assert.deepStrictEqual(paths(yield* jsonLines(ignored.artifact.directory, "documents.jsonl")), [
        "a.txt",
        "keep.log.txt",
        "sub/deep/local.txt"
      ])
      const all = yield* Running.runStage(
        collect({ sources: [Source.folder(root, { include, gitignore: false })] })
      )
      assert.strictEqual(all.artifact.value.documents, 6)
    })
  )

  it.effect("leaves out what runs have made, in whatever workspace it lies", () =>
    Effect.gen(function* () {
      const root = yield* folderOf({
        "a.md": "a\n",
        "runs/of/mine.md": "b\n",
        "other/yard/artifacts/checkpoint/0/README.md": "# A model\n",
        "other/yard/locks/none.md": "c\n",
        "other/yard/runs/0/none.md": "d\n",
        "other/yard/scratch/0/none.md": "e\n"
      })
      const { artifact } = yield* Running.runStage(
        collect({ sources: [Source.folder(root, { gitignore: false })] })
      )
      const documents = yield* jsonLines(artifact.directory, "documents.jsonl")
      assert.deepStrictEqual(paths(documents), ["a.md", "runs/of/mine.md"])
    })
  )

  it.effect("honours the .gitignore files above a folder of a repository", () =>
    Effect.gen(function* () {
      const root = yield* folderOf({
        ".git/HEAD": "ref: refs/heads/main\n",
        ".gitignore": "*.gen.c\n/src/old/\n/build/\n",
        "src/a.c": "int a;\n",
        "src/b.gen.c": "int b;\n",
        "src/old/c.c": "int c;\n",
        "build/d.c": "int d;\n"
      })
      const from = (path: string) =>
        Effect.gen(function* () {
          const { artifact } = yield* Running.runStage(
            collect({ sources: [Source.folder(`${root}/${path}`)] })
          )
          return paths(yield* jsonLines(artifact.directory, "documents.jsonl"))
        })
      assert.deepStrictEqual(yield* from("src"), ["a.c"])
      // Whoever names an ignored folder wants it.
      assert.deepStrictEqual(yield* from("build"), ["d.c"])
    })
  )

  it.effect("leaves out what is no text, and lists each file with its reason", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const root = yield* folderOf({
        "good.c": "int x;\n",
        "mark.c": "\uFEFFint marked;\n",
        "same.c": "int x;\n",
        "empty.c": "",
        "blank.c": " \n\t\n",
        "nul.c": "int\0y;",
        "latin1.c": Uint8Array.from([0x2f, 0x2f, 0xe9, 0x0a]),
        "utf16.c": Uint8Array.from([0xff, 0xfe, 0x69, 0x00]),
        "long.c": `int z;\n${"x".repeat(10_001)}\n`,
        "big.c": "y\n".repeat(20_000)
      })
      yield* fs.symlink(path.join(root, "good.c"), path.join(root, "link.c"))
      const { artifact } = yield* Running.runStage(
        collect({ sources: [Source.folder(root)], maximumFileBytes: 30_000 })
      )
      assert.deepStrictEqual(paths(yield* jsonLines(artifact.directory, "documents.jsonl")), [
        "good.c",
        "mark.c"
      ])
      const skipped = yield* jsonLines(artifact.directory, "skipped.jsonl")
      assert.deepStrictEqual(Object.fromEntries(skipped.map((file) => [file.path, file.reason])), {
        "same.c": "duplicate",
        "empty.c": "empty",
        "blank.c": "empty",
        "nul.c": "binary",
        "latin1.c": "not UTF-8",
        "utf16.c": "not UTF-8",
        "long.c": "over-long line",
        "big.c": "too large",
        "link.c": "link"
      })
      assert.strictEqual(artifact.value.skipped[0]?.files, 2)
      const corpus = yield* CorpusReader.open(artifact.directory)
      assert.strictEqual(yield* corpus.text(1), "int marked;\n")
    })
  )

  it.effect("says what was seen where nothing could be collected", () =>
    Effect.gen(function* () {
      const message = (files: Record<string, string | Uint8Array>, include?: ReadonlyArray<string>) =>
        Effect.gen(function* () {
          const root = yield* folderOf(files)
          const node = collect({
            sources: [Source.folder(root, include === undefined ? {} : { include })]
          })
          const error = yield* Effect.flip(Running.runStage(node))
          assert.strictEqual(error._tag, "EmptyCorpus")
          return error.message.replaceAll(root, "ROOT")
        })
      assert.include(yield* message({}), "folder ROOT has no files")
      const image = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 1])
      assert.include(
        yield* message({ "a.png": image, "b.png": Uint8Array.from([...image, 2]) }),
        "has 2 files (2 binary)"
      )
      assert.include(
        yield* message({ "a.py": "x" }, ["**/*.c"]),
        "has 1 file (1 not matched by include **/*.c: a.py)"
      )
    })
  )

  it.effect("names a folder or file that is not there", () =>
    Effect.gen(function* () {
      const root = yield* folderOf({ "a.c": "int a;\n" })
      for (const [source, says] of [
        [Source.folder(`${root}/nowhere`), "There is no folder"],
        [Source.folder(`${root}/a.c`), "is not a folder"],
        [Source.archive(`${root}/a.zip`), "There is no file"],
        [Source.archive(root), "is not a file"]
      ] as const) {
        const error = yield* Effect.flip(Running.runStage(collect({ sources: [source] })))
        assert.strictEqual(error._tag, "SourceUnavailable")
        assert.include(error.message, says)
      }
    })
  )

  it.effect("gives exactly as many of each kind as asked, the same for the same seed", () =>
    Effect.gen(function* () {
      const files = Object.fromEntries(
        Array.from({ length: 20 }, (_, i) => [
          [`c${i}.c`, `int c${i};\n`],
          [`h${i}.h`, `int h${i};\n`],
          [`t${i}.txt`, `t${i}\n`],
          [`m${i}.md`, `m${i}\n`]
        ]).flat()
      )
      const root = yield* folderOf(files)
      const run = (seed: number) =>
        Effect.gen(function* () {
          const { artifact } = yield* Running.runStage(
            collect({ sources: [Source.folder(root)], exactly: { c: 5, h: 3, other: 4 }, seed })
          )
          return paths(yield* jsonLines(artifact.directory, "documents.jsonl")).map(String)
        })
      const first = yield* run(1)
      assert.lengthOf(first, 12)
      assert.lengthOf(
        first.filter((path) => path.endsWith(".c")),
        5
      )
      assert.lengthOf(
        first.filter((path) => path.endsWith(".h")),
        3
      )
      assert.deepStrictEqual(yield* run(1), first)
      assert.notDeepEqual(yield* run(2), first)

      const error = yield* Effect.flip(
        Running.runStage(collect({ sources: [Source.folder(root)], exactly: { c: 21 } }))
      )
      assert.strictEqual(error._tag, "TooFewDocuments")
      assert.include(error.message, "exactly asks for 21 documents of kind .c, but the sources give 20")
    })
  )

  it.effect("limits kinds, documents and bytes", () =>
    Effect.gen(function* () {
      const root = yield* folderOf(
        Object.fromEntries(
          Array.from({ length: 10 }, (_, i) => [
            [`a${i}.c`, `${i}${"c".repeat(99)}`],
            [`b${i}.md`, `${i}${"m".repeat(9)}`]
          ]).flat()
        )
      )
      const sources = [Source.folder(root)]
      const perKind = yield* Running.runStage(collect({ sources, atMost: { c: 2 } }))
      assert.deepStrictEqual(perKind.artifact.value.kinds, [
        { kind: "md", documents: 10, bytes: 100 },
        { kind: "c", documents: 2, bytes: 200 }
      ])
      const few = yield* Running.runStage(collect({ sources, maximumDocuments: 7 }))
      assert.strictEqual(few.artifact.value.documents, 7)
      assert.deepInclude(few.artifact.value.skipped, { reason: "over a limit", files: 13 })
      const small = yield* Running.runStage(collect({ sources, maximumBytes: 250 }))
      assert.isAtMost(small.artifact.value.bytes, 250)
      assert.isAtLeast(small.artifact.value.bytes, 200)
    })
  )

  it.effect("knows when a folder has changed, and only then", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const root = yield* folderOf({ "a.c": "int a;\n", "b.py": "b\n" })
      const node = collect({ sources: [Source.folder(root, { include: ["**/*.c"] })] })
      const config = yield* Schema.decodeUnknownEffect(node.stage.config)(
        node.config
      ) as Effect.Effect<unknown>
      const digest = node.externalDigest!(config)
      const first = yield* digest
      yield* fs.utimes(`${root}/a.c`, new Date(0), new Date(0))
      yield* fs.writeFileString(`${root}/b.py`, "changed, but not collected\n")
      assert.strictEqual(yield* digest, first)
      yield* fs.writeFileString(`${root}/a.c`, "int b;\n")
      const second = yield* digest
      assert.notStrictEqual(second, first)
      // A package.json states the licence of all, wanted itself or not.
      yield* fs.writeFileString(`${root}/package.json`, '{"license":"MIT","version":"1.0.0"}')
      const third = yield* digest
      assert.notStrictEqual(third, second)
      yield* fs.writeFileString(`${root}/package.json`, '{"license":"MIT","version":"1.0.1"}')
      assert.strictEqual(yield* digest, third)
      // And so does a licence file.
      yield* fs.writeFileString(`${root}/LICENSE`, "Do what you like.\n")
      assert.notStrictEqual(yield* digest, third)
    })
  )

  it.effect("does not read a file that is too large to be collected, only to know that it changed", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const root = yield* folderOf({ "a.c": "int a;\n", "data.c": "" })
      // Without a single block on the disk; reading it would take all the memory there is.
      yield* fs.truncate(`${root}/data.c`, 2 ** 33)
      const digest = digestSources(bound(Source.folder(root)), { maximumFileBytes: 1000 })
      const first = yield* digest
      assert.strictEqual(yield* digest, first)
      yield* fs.truncate(`${root}/data.c`, 2 ** 33 + 1)
      assert.notStrictEqual(yield* digest, first)
    })
  )

  it.effect("refuses sources that are not pinned", () =>
    Effect.gen(function* () {
      const decode = (source: Source.Source) => {
        const node = collect({ sources: [source] })
        return Schema.decodeUnknownEffect(node.stage.config)(node.config) as Effect.Effect<
          unknown,
          Schema.SchemaError
        >
      }
      for (const source of [
        Source.npm("node-rdkafka@^3"),
        Source.npm("node-rdkafka"),
        Source.git("https://example.com/x.git", { commit: "main" }),
        Source.folder("")
      ]) {
        const error = yield* Effect.flip(decode(source))
        assert.match(error.message, /exact version|40 hexadecimal|length of at least 1/)
      }
    })
  )
})
