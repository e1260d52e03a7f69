import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { delimiter, join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { collect } from "../../src/collect/collect.ts"
import * as Source from "../../src/collect/Source.ts"
import * as Running from "../runStage.ts"
import { accountFor } from "./accounting.ts"
import { folderOf, jsonLines } from "./folders.ts"
import { git } from "./gitCommand.ts"

/** Environment variables of this process, put back when the scope closes. */
const setting = (values: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = Object.keys(values).map((name) => [name, process.env[name]] as const)
      Object.assign(process.env, values)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      })
  )

const repositoryOf = Effect.fnUntraced(function* (files: Readonly<Record<string, string>>) {
  const root = yield* folderOf(files)
  yield* git(root, "init", "--quiet")
  return root
})

const collected = Effect.fnUntraced(function* (
  root: string,
  options: Parameters<typeof Source.folder>[1] = {}
) {
  const { artifact, events } = yield* Running.runStage(collect({ sources: [Source.folder(root, options)] }))
  const documents = yield* jsonLines(artifact.directory, "documents.jsonl")
  const skipped = yield* jsonLines(artifact.directory, "skipped.jsonl")
  return {
    documents: documents.map(({ path }) => String(path)),
    skipped: Object.fromEntries(skipped.map(({ path, reason }) => [String(path), String(reason)])),
    counts: artifact.value.skipped,
    warnings: events.flatMap((event) =>
      event.type === "Note" && event.level === "warning" ? [event.message] : []
    )
  }
})

/** A repository with one of everything that a list of files may stumble over. */
const oddRepository = Effect.gen(function* () {
  const library = yield* repositoryOf({ "library.c": "int library;\n" })
  yield* git(library, "add", ".")
  yield* git(library, "commit", "--quiet", "-m", "First")
  const root = yield* repositoryOf({
    ".gitignore": "BUILD/\n[[:upper:]]*.c\n*.o\n/made/\n",
    "build/kept.c": "int kept;\n",
    "BUILD/hidden.c": "int hidden;\n",
    "lower.c": "int lower;\n",
    "Upper.c": "int upper;\n",
    "Tracked.c": "int tracked;\n",
    "made/a.c": "int made;\n",
    "gone.c": "int gone;\n",
    "private.c": "int privately;\n",
    "moved/inside.c": "int inside;\n",
    "new.c": "int untracked;\n",
    "deep/er/est.c": "int deepest;\n",
    "café.c": "int umlaut;\n",
    "with space.c": "int space;\n",
    "new\nline.c": "int line;\n",
    "sub/own/.gitignore": "*.tmp.c\n",
    "sub/own/a.tmp.c": "int tmp;\n",
    "other/notes.txt": "notes\n",
    "nested/inner.c": "int nested;\n"
  })
  const name = (bytes: ReadonlyArray<number>) => Buffer.concat([Buffer.from(`${root}/`), Buffer.from(bytes)])
  writeFileSync(join(root, "back\\slash.c"), "int slash;\n")
  writeFileSync(name([0x6c, 0xe9, 0x2e, 0x63]), "int latin;\n")
  mkdirSync(name([0x64, 0xe9]))
  writeFileSync(name([0x64, 0xe9, 0x2f, 0x78, 0x2e, 0x63]), "int below;\n")
  symlinkSync("/usr/share/nowhere", join(root, "install-sh"))
  symlinkSync("../shared/common.h", join(root, "common.h"))
  writeFileSync(join(root, ".git/info/exclude"), "private.c\n")
  yield* git(root, "submodule", "--quiet", "add", library, "full")
  yield* git(root, "submodule", "--quiet", "add", library, "empty")
  yield* git(root, "add", "--force", "Tracked.c", "gone.c", "moved", "deep", "install-sh", "lower.c")
  yield* git(root, "commit", "--quiet", "-m", "First")
  rmSync(join(root, "gone.c"))
  yield* git(root, "submodule", "--quiet", "deinit", "--force", "empty")
  yield* git(join(root, "nested"), "init", "--quiet")
  // For git a folder that became a link has nothing in it any more.
  const elsewhere = yield* folderOf({ "inside.c": "int elsewhere;\n" })
  rmSync(join(root, "moved"), { recursive: true })
  symlinkSync(elsewhere, join(root, "moved"))
  return root
})

/** Takes a folder that is too deep apart, so that it can be removed. */
const shorten = (deep: string, root: string): void => {
  for (let level = 0; ; level++) {
    const inner = readdirSync(deep)[0]
    if (inner === undefined || inner === "x") return
    const out = join(root, `level${level}`)
    renameSync(join(deep, inner), out)
    deep = out
  }
}

layer(Running.layer)("work trees", (it) => {
  it.effect("give what git lists: every file is a document or is told of", () =>
    Effect.gen(function* () {
      const root = yield* oddRepository
      const { reasons } = yield* accountFor(root)
      const found = yield* collected(root)
      for (const path of ["build/kept.c", "Tracked.c", "new.c", "full/library.c", "nested/inner.c"]) {
        assert.include(found.documents, path)
      }
      assert.notInclude(found.documents, "private.c")
      assert.deepInclude(reasons, {
        "BUILD/": "ignored",
        "Upper.c": "ignored",
        "made/": "ignored",
        "private.c": "ignored",
        "sub/own/a.tmp.c": "ignored",
        "gone.c": "not in the work tree",
        "moved/inside.c": "link",
        moved: "link",
        "install-sh": "link",
        "common.h": "link",
        "back\\slash.c": "odd name",
        "l\\xe9.c": "odd name",
        "d\\xe9/x.c": "odd name",
        "empty/": "empty submodule"
      })
      assert.deepInclude(found.counts, { reason: "ignored", files: 5 })
      assert.deepStrictEqual(
        found.warnings.map((message) => message.replaceAll(root, "ROOT")),
        [
          "1 submodule is empty in folder ROOT: empty/. Run `git submodule update --init --recursive` in ROOT, or exclude it."
        ]
      )
    })
  )

  it.effect("are listed for any folder in them, and an ignored one by its own rules", () =>
    Effect.gen(function* () {
      const root = yield* oddRepository
      assert.deepStrictEqual((yield* collected(join(root, "sub"))).documents, ["own/.gitignore"])
      assert.deepStrictEqual((yield* collected(join(root, "made"))).documents, ["a.c"])
      const all = yield* collected(root, { gitignore: false })
      for (const path of ["BUILD/hidden.c", "Upper.c", "sub/own/a.tmp.c", "private.c"]) {
        assert.include(all.documents, path)
      }
      assert.deepInclude(all.skipped, { "empty/": "empty submodule", "d\\xe9/": "odd name" })
    })
  )

  it.effect(
    "heed the user's global excludes file, and nothing that the environment says of another repository",
    () =>
      Effect.gen(function* () {
        const root = yield* repositoryOf({ "a.c": "int a;\n", "a.swp.c": "int swap;\n" })
        const other = yield* repositoryOf({ "b.c": "int b;\n" })
        const home = yield* folderOf({ ".config/git/ignore": "*.swp.c\n", ".gitconfig": "" })
        yield* setting({
          HOME: home,
          XDG_CONFIG_HOME: join(home, ".config"),
          GIT_DIR: join(other, ".git"),
          GIT_WORK_TREE: other,
          GIT_INDEX_FILE: join(other, "index")
        })
        const found = yield* collected(root)
        assert.deepStrictEqual(found.documents, ["a.c"])
        assert.deepStrictEqual(found.skipped, { "a.swp.c": "ignored" })
      })
  )

  it.effect("say what git says where it refuses, and are read without it", () =>
    Effect.gen(function* () {
      const root = yield* repositoryOf({ ".gitignore": "*.o.c\n", "a.c": "int a;\n", "a.o.c": "int o;\n" })
      writeFileSync(join(root, ".git/config"), "[core\n")
      const found = yield* collected(root)
      assert.deepStrictEqual(found.documents, [".gitignore", "a.c"])
      assert.deepStrictEqual(found.skipped, { "a.o.c": "ignored" })
      assert.match(found.warnings[0]!, /^Git does not list the files of .*: bad config line 1/)

      yield* setting({ PATH: "/nonexistent" })
      const without = yield* collected(root)
      assert.deepStrictEqual(without.documents, found.documents)
      assert.include(without.warnings[0]!, "the git command was not found")
    })
  )

  it.effect.skipIf(process.getuid?.() !== 0)(
    "of another owner are read without git, with git's own advice",
    () =>
      Effect.gen(function* () {
        const root = yield* repositoryOf({ ".gitignore": "*.o.c\n", "a.c": "int a;\n", "a.o.c": "int o;\n" })
        chownSync(root, 65534, 65534)
        yield* setting({ HOME: root })
        const found = yield* collected(root)
        assert.deepStrictEqual(found.documents, [".gitignore", "a.c"])
        assert.include(found.warnings[0]!, `git config --global --add safe.directory ${root}`)
      })
  )

  it.effect.skipIf(process.getuid?.() === 0)(
    "with a folder that may not be read are collected without it",
    () =>
      Effect.gen(function* () {
        const root = yield* repositoryOf({ "a.c": "int a;\n", "shut/b.c": "int b;\n" })
        chmodSync(join(root, "shut"), 0)
        yield* Effect.addFinalizer(() => Effect.sync(() => chmodSync(join(root, "shut"), 0o700)))
        for (const gitignore of [true, false]) {
          const found = yield* collected(root, { gitignore })
          assert.deepStrictEqual(found.documents, ["a.c"])
          assert.deepStrictEqual(found.skipped, { "shut/": "not readable" })
          assert.deepStrictEqual((yield* collected(root, { gitignore, exclude: ["shut/**"] })).skipped, {})
        }
      })
  )

  it.effect("do not collect what runs make in them", () =>
    Effect.gen(function* () {
      const root = yield* repositoryOf({
        "a.c": "int a;\n",
        "yard/artifacts/checkpoint/0/README.md": "# A model\n",
        "yard/runs/0/events.txt": "d\n"
      })
      mkdirSync(join(root, "yard/locks"))
      mkdirSync(join(root, "yard/scratch"))
      assert.deepStrictEqual((yield* collected(root)).documents, ["a.c"])
    })
  )

  it.effect("leave out what lies too deep for the system, and what cannot be read", () =>
    Effect.gen(function* () {
      const root = yield* repositoryOf({ "a.c": "int a;\n", "deep/f.c": "int f;\n" })
      const inner = "d".repeat(200)
      let levels = join(root, "levels")
      mkdirSync(join(levels, "x"), { recursive: true })
      // Longer than a path may be, by putting folders into folders.
      for (let i = 0; i < 25; i++) {
        const outer = join(root, `outer${i}`)
        mkdirSync(join(outer), { recursive: true })
        renameSync(levels, join(outer, inner))
        levels = outer
      }
      renameSync(levels, join(root, "deep", "levels"))
      // Nothing in Node removes a folder whose path is too long.
      yield* Effect.addFinalizer(() => Effect.sync(() => shorten(join(root, "deep", "levels"), root)))
      const found = yield* collected(root)
      assert.deepStrictEqual(found.documents, ["a.c", "deep/f.c"])
      assert.deepStrictEqual(Object.values(found.skipped), ["not readable"])
      assert.match(Object.keys(found.skipped)[0]!, /^deep\/levels\/d+.*\/$/)
      const all = yield* collected(root, { gitignore: false })
      assert.deepStrictEqual(all.documents, found.documents)
      assert.deepStrictEqual(Object.values(all.skipped), ["not readable"])
      for (const gitignore of [true, false]) {
        const without = yield* collected(root, { gitignore, exclude: ["**/levels/**"] })
        assert.deepStrictEqual(without.documents, ["a.c", "deep/f.c"])
        assert.deepStrictEqual(without.skipped, {})
        assert.deepStrictEqual(without.warnings, [])
      }
    })
  )

  const given = (process.env.TRAINYARD_TEST_WORK_TREES ?? "").split(delimiter).filter((root) => root !== "")
  it.effect.skipIf(given.length === 0)(
    "given by TRAINYARD_TEST_WORK_TREES are accounted for, file by file",
    () =>
      Effect.forEach(given, (root) =>
        Effect.map(accountFor(root), ({ documents, listed, skipped }) => {
          const left = skipped.map(({ files, reason }) => `${files} ${reason}`).join(", ")
          process.stdout.write(`${root}: ${listed} listed, ${documents} documents, ${left}\n`)
        })
      ),
    600_000
  )
})
