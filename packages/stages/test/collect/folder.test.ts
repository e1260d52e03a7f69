import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as CorpusReader from "../../src/collect/CorpusReader.ts"
import { collect } from "../../src/collect/collect.ts"
import * as Source from "../../src/collect/Source.ts"
import * as Running from "../runStage.ts"
import { folderOf, jsonLines } from "./folders.ts"
import { git } from "./gitCommand.ts"

const collected = Effect.fnUntraced(function* (
  root: string,
  options: Parameters<typeof Source.folder>[1] = {},
  limits: Partial<Parameters<typeof collect>[0]> = {}
) {
  const { artifact, events } = yield* Running.runStage(
    collect({ sources: [Source.folder(root, options)], ...limits })
  )
  const documents = yield* jsonLines(artifact.directory, "documents.jsonl")
  const skipped = yield* jsonLines(artifact.directory, "skipped.jsonl")
  return {
    artifact,
    documents: documents.map(({ path }) => String(path)),
    skipped: Object.fromEntries(skipped.map(({ path, reason }) => [String(path), String(reason)])),
    warnings: events.flatMap((event) =>
      event.type === "Note" && event.level === "warning" ? [event.message.replaceAll(root, "ROOT")] : []
    )
  }
})

layer(Running.layer)("folders", (it) => {
  it.effect("outside of work trees read .gitignore files as git does, and tell of what they name", () =>
    Effect.gen(function* () {
      const root = yield* folderOf({
        ".gitignore": "\uFEFFBUILD/\n[[:upper:]]*.c\n[![:alpha:]]*.h\n?.txt\nvoilà\n",
        "build/a.c": "int a;\n",
        "BUILD/b.c": "int b;\n",
        "lower.c": "int lower;\n",
        "Upper.c": "int upper;\n",
        "1.h": "int one;\n",
        "h.h": "int h;\n",
        "x.txt": "x\n",
        // Of two bytes, and git's ? is one.
        "é.txt": "e\n",
        voilà: "voilà\n"
      })
      const { documents, skipped } = yield* collected(root)
      assert.deepStrictEqual(documents, [".gitignore", "build/a.c", "h.h", "lower.c", "é.txt"])
      assert.deepStrictEqual(skipped, {
        "1.h": "ignored",
        "BUILD/": "ignored",
        "Upper.c": "ignored",
        voilà: "ignored",
        "x.txt": "ignored"
      })
      // What the globs would not have taken is not missed.
      const some = yield* collected(root, { include: ["**/*.h"], exclude: ["BUILD/**"] })
      assert.deepStrictEqual(some.skipped, { "1.h": "ignored" })
    })
  )

  it.effect("with repositories in them ask git of each", () =>
    Effect.gen(function* () {
      const root = yield* folderOf({
        "one/.gitignore": "*.x.c\n",
        "one/tracked.x.c": "int tracked;\n",
        "one/b.x.c": "int b;\n",
        "two/c.c": "int c;\n",
        "d.c": "int d;\n"
      })
      yield* git(join(root, "one"), "init", "--quiet")
      yield* git(join(root, "one"), "add", "--force", "tracked.x.c")
      const { documents, skipped } = yield* collected(root)
      assert.deepStrictEqual(documents, ["d.c", "one/.gitignore", "one/tracked.x.c", "two/c.c"])
      assert.deepStrictEqual(skipped, { "one/b.x.c": "ignored" })
    })
  )

  it.effect("tell of links and of names that mean nothing elsewhere", () =>
    Effect.gen(function* () {
      const root = yield* folderOf({ "a.c": "int a;\n" })
      const name = (...bytes: ReadonlyArray<number>) =>
        Buffer.concat([Buffer.from(`${root}/`), Buffer.from(bytes)])
      symlinkSync("/usr/share/nowhere", join(root, "link.c"))
      symlinkSync(root, join(root, "self"))
      writeFileSync(join(root, "back\\slash.c"), "int slash;\n")
      writeFileSync(name(0xe9, 0x2e, 0x63), "int latin;\n")
      mkdirSync(name(0x64, 0xe9))
      writeFileSync(name(0x64, 0xe9, 0x2f, 0x78), "int below;\n")
      const { documents, skipped } = yield* collected(root)
      assert.deepStrictEqual(documents, ["a.c"])
      assert.deepStrictEqual(skipped, {
        "link.c": "link",
        self: "link",
        "back\\slash.c": "odd name",
        "\\xe9.c": "odd name",
        "d\\xe9/": "odd name"
      })
      assert.deepStrictEqual((yield* collected(root, { exclude: ["d*/**"] })).skipped["d\\xe9/"], undefined)
    })
  )

  it.effect("give text whose lines end with a carriage return, and endings in capitals", () =>
    Effect.gen(function* () {
      const text = "int line;\r".repeat(2000)
      const root = yield* folderOf({ "OLD.C": text, "new.c": "int n;\n", "A.H": "int h;\n" })
      const { artifact, documents } = yield* collected(root, { include: ["**/*.{c,h}"] })
      assert.deepStrictEqual(documents, ["A.H", "OLD.C", "new.c"])
      assert.deepStrictEqual(
        artifact.value.kinds.map(({ documents: count, kind }) => [kind, count]),
        [
          ["c", 2],
          ["h", 1]
        ]
      )
      const corpus = yield* CorpusReader.open(artifact.directory)
      assert.strictEqual(yield* corpus.text(1), text)
      const capital = yield* collected(root, {}, { exactly: { ".C": 1, H: 1 } })
      assert.lengthOf(capital.documents, 2)
    })
  )

  it.effect(
    "warn of globs without effect, of kinds that are not there, and of content that is elsewhere",
    () =>
      Effect.gen(function* () {
        const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 12345\n`
        const root = yield* folderOf({
          "src/a.c": "int a;\n",
          "Vendor/v.c": "int v;\n",
          "large.c": pointer,
          ".gitmodules": '[submodule "lib"]\n\tpath = lib\n\turl = https://example.com/lib\n'
        })
        mkdirSync(join(root, "lib"))
        const { documents, skipped, warnings } = yield* collected(
          root,
          { include: ["**/*.c", "*.py"], exclude: ["vendor/**", "third_party/**"] },
          { atMost: { rs: 3 } }
        )
        assert.deepStrictEqual(documents, ["Vendor/v.c", "src/a.c"])
        assert.deepStrictEqual(skipped, { "large.c": "Git LFS pointer", "lib/": "empty submodule" })
        assert.deepStrictEqual(warnings, [
          'include "*.py" takes no file of folder ROOT. Globs match paths from the top of the source, as in "src/**/*.c". Correct it, or remove it.',
          'exclude "vendor/**" leaves out nothing of folder ROOT. There is Vendor/v.c, though: the case of letters counts, and a folder is named with what is in it, as in "Vendor/**".',
          'exclude "third_party/**" leaves out nothing of folder ROOT. Globs match paths from the top of the source, as in "src/**/*.c". Correct it, or remove it.',
          "1 submodule is empty in folder ROOT: lib/. Run `git submodule update --init --recursive` in ROOT, or exclude it.",
          "1 file is a Git LFS pointer in folder ROOT, not the content: large.c. Run `git lfs pull` in ROOT, or exclude such files.",
          "atMost limits documents of kind .rs, but the sources give none. The kinds are: .c."
        ])
      })
  )

  it.effect("without a document name the setting that left files out, and the figures", () =>
    Effect.gen(function* () {
      const message = (content: string | Uint8Array, limits: Partial<Parameters<typeof collect>[0]> = {}) =>
        Effect.gen(function* () {
          const root = yield* folderOf({ "a.c": content })
          return (yield* Effect.flip(collected(root, {}, limits))).message
        })
      const large = yield* message("x\n".repeat(557_697))
      assert.include(large, "has 1 file (1 too large)")
      assert.include(
        large,
        "a.c has 1,115,394 bytes, more than maximumFileBytes, 1,048,576: write maximumFileBytes: 1115394 to collect it"
      )
      assert.include(
        yield* message("x".repeat(11_000)),
        "a.c has a line of more than maximumLineBytes, 10,000 bytes: raise maximumLineBytes"
      )
      const latin = Uint8Array.from([0x2f, 0x2f, 0xe9, 0x0a])
      assert.include(yield* message(latin), 'a.c is not UTF-8: write notUtf8: "detect"')
      assert.include(yield* message(latin, { notUtf8: "shift_jis" }), "a.c is no text in shift_jis")
      assert.include(
        yield* message("x", { maximumFileBytes: 2 ** 29 }),
        "at most 536,870,888, the longest text that JavaScript holds"
      )
    })
  )
})
