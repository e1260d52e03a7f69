import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as CorpusReader from "../../src/collect/CorpusReader.ts"
import { collect } from "../../src/collect/collect.ts"
import * as Source from "../../src/collect/Source.ts"
import * as Running from "../runStage.ts"
import { jsonLines } from "./folders.ts"
import { commitAll, git, gitBytes, repositoryOf, withEnvironment } from "./repositories.ts"

/** What collecting a commit gives: each document's text and each skipped file's reason by path, and the warnings. */
const collected = Effect.fnUntraced(function* (
  root: string,
  commit: string,
  options: { readonly include?: ReadonlyArray<string>; readonly exclude?: ReadonlyArray<string> } = {}
) {
  const { artifact, events } = yield* Running.runStage(
    collect({ sources: [Source.git(root, { commit, ...options })] })
  )
  const corpus = yield* CorpusReader.open(artifact.directory)
  const documents: Record<string, string> = {}
  for (let id = 0; id < corpus.documents; id++)
    documents[(yield* corpus.document(id)).path] = yield* corpus.text(id)
  const skipped = yield* jsonLines(artifact.directory, "skipped.jsonl")
  return {
    documents,
    skipped: Object.fromEntries(skipped.map(({ path, reason }) => [String(path), reason])),
    warnings: events.flatMap((event) =>
      event.type === "Note" && event.level === "warning" ? [event.message] : []
    )
  }
})

const attributes = {
  ".gitattributes":
    "tests/ export-ignore\nversion.h export-subst\n*.bat text eol=crlf\nutf16.c text working-tree-encoding=UTF-16\nid.c ident\n*.lfs filter=lfs diff=lfs merge=lfs -text\n",
  "tests/a.c": "int test;\n",
  "version.h": '#define VERSION "$Format:%H$"\n',
  "a.bat": "echo a\n",
  "id.c": "/* $Id$ */\n",
  "main.c": "int main;\n",
  "data.lfs": "int data;\n"
}

layer(Running.layer, { excludeTestServices: true })("the bytes of a git commit", (it) => {
  it.effect("are those of its blobs, under all attributes and configuration", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { root } = yield* repositoryOf(attributes)
      // A blob in UTF-8, as the encoding of a work tree has it.
      const blob = (yield* gitBytes(root, ["hash-object", "-w", "--stdin"], "int utf16;\n")).toString().trim()
      yield* git(root, "update-index", "--add", "--cacheinfo", `100644,${blob},utf16.c`)
      yield* git(root, "commit", "--quiet", "-m", "Second")
      const commit = yield* git(root, "rev-parse", "HEAD")
      const expected = { ...attributes, "utf16.c": "int utf16;\n" }
      assert.deepStrictEqual(yield* collected(root, commit), {
        documents: expected,
        skipped: {},
        warnings: []
      })
      // The same with settings that change what git writes into a work tree, and with a fresh copy.
      const home = yield* fs.makeTempDirectoryScoped({ prefix: "trainyard-home-" })
      yield* fs.writeFileString(`${home}/attributes`, "*.c export-ignore\n*.h text eol=crlf\n")
      yield* fs.writeFileString(
        `${home}/config`,
        `[core]\n\tautocrlf = true\n\teol = crlf\n\tattributesFile = ${home}/attributes\n[init]\n\tdefaultObjectFormat = sha256\n`
      )
      yield* withEnvironment({ GIT_CONFIG_GLOBAL: `${home}/config` })
      assert.deepStrictEqual((yield* collected(root, commit)).documents, expected)
      assert.deepStrictEqual((yield* collected(`${root}/.`, commit)).documents, expected)
    })
  )

  it.effect("come from SHA-256 repositories, bare ones and tags as well", () =>
    Effect.gen(function* () {
      const { commit, root } = yield* repositoryOf({ "a.c": "int a;\n" }, "sha256")
      assert.lengthOf(commit, 64)
      assert.deepStrictEqual((yield* collected(root, commit)).documents, { "a.c": "int a;\n" })
      yield* git(root, "clone", "--quiet", "--bare", ".", "bare.git")
      assert.deepStrictEqual((yield* collected(`${root}/bare.git`, commit)).documents, { "a.c": "int a;\n" })
      yield* git(root, "tag", "--annotate", "--message", "A tag", "v1")
      const tag = yield* git(root, "rev-parse", "v1")
      assert.notStrictEqual(tag, commit)
      assert.deepStrictEqual((yield* collected(root, tag)).documents, { "a.c": "int a;\n" })
    })
  )

  it.effect("are not changed by what the caller's environment says to git", () =>
    Effect.gen(function* () {
      const { commit, root } = yield* repositoryOf({ "a.c": "int a;\n" })
      const other = yield* repositoryOf({ "b.c": "int b;\n" })
      yield* withEnvironment({
        GIT_DIR: `${other.root}/.git`,
        GIT_WORK_TREE: other.root,
        GIT_INDEX_FILE: "/nowhere/index",
        GIT_OBJECT_DIRECTORY: "/nowhere/objects",
        GIT_ALTERNATE_OBJECT_DIRECTORIES: "/nowhere/alternates",
        GIT_COMMON_DIR: "/nowhere/common",
        GIT_NAMESPACE: "nowhere",
        GIT_CEILING_DIRECTORIES: "/",
        GIT_DEFAULT_HASH: "sha256",
        GIT_DEFAULT_REF_FORMAT: "reftable",
        GIT_TEMPLATE_DIR: "/nowhere/template",
        GIT_REPLACE_REF_BASE: "refs/nowhere/",
        GIT_SHALLOW_FILE: "/nowhere/shallow",
        GIT_GRAFT_FILE: "/nowhere/grafts",
        GIT_ATTR_SOURCE: "nowhere",
        GIT_LITERAL_PATHSPECS: "1",
        GIT_PROTOCOL: "version=0",
        GIT_TRACE: "1",
        GIT_TRACE2: "1",
        GIT_QUARANTINE_PATH: "/nowhere/quarantine",
        GIT_CONFIG: "/nowhere/config"
      })
      const { documents, skipped } = yield* collected(root, commit)
      assert.deepStrictEqual({ documents, skipped }, { documents: { "a.c": "int a;\n" }, skipped: {} })
    })
  )

  it.effect("leave out links, submodules and odd names one by one, and list them", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { root } = yield* repositoryOf({
        "a.c": "int a;\n",
        "back\\slash.c": "int b;\n",
        "dir/two\nlines.c": "int c;\n",
        "dir/größe.c": "int d;\n",
        ".gitmodules": '[submodule "x"]\n\tpath = deps/x\n\turl = https://example.com/x\n',
        "large.c": `${"int e;\n".repeat(200_000)}`
      })
      yield* fs.symlink("/usr/share/install-sh", `${root}/install-sh`)
      yield* fs.symlink("../../shared/common.h", `${root}/dir/common.h`)
      yield* git(root, "add", "--all")
      const blob = yield* git(root, "rev-parse", "HEAD:a.c")
      const first = yield* git(root, "rev-parse", "HEAD")
      yield* git(root, "update-index", "--add", "--cacheinfo", `160000,${first},deps/x`)
      yield* git(root, "update-index", "--add", "--cacheinfo", `160000,${first},deps/y`)
      yield* git(root, "commit", "--quiet", "-m", "Second")
      // A name that is not UTF-8, which not every file system can hold.
      const tree = yield* gitBytes(root, ["ls-tree", "-z", "HEAD"])
      const record = Buffer.from(`100644 blob ${blob}\tlatin\xe9.c\0`, "latin1")
      const made = yield* gitBytes(root, ["mktree", "-z"], Buffer.concat([tree, record]))
      const commit = yield* git(root, "commit-tree", "-m", "Third", "-p", "HEAD", made.toString().trim())
      yield* git(root, "update-ref", "HEAD", commit)

      const all = yield* collected(root, commit)
      assert.deepStrictEqual(Object.keys(all.documents), [
        ".gitmodules",
        "a.c",
        "dir/größe.c",
        "dir/two\nlines.c"
      ])
      assert.deepStrictEqual(all.skipped, {
        "back\\slash.c": "odd name",
        "deps/x": "submodule",
        "deps/y": "submodule",
        "dir/common.h": "link",
        "install-sh": "link",
        "large.c": "too large",
        "latin\\xe9.c": "odd name"
      })
      assert.lengthOf(all.warnings, 1)
      assert.include(all.warnings[0], "has 2 submodules, deps/x, deps/y, whose files")
      const some = yield* collected(root, commit, { include: ["dir/**"] })
      assert.deepStrictEqual(some.warnings, [])
      assert.deepStrictEqual(some.skipped, { "dir/common.h": "link" })
      const without = yield* collected(root, commit, { exclude: ["deps/**"] })
      assert.deepStrictEqual(without.warnings, [])
    })
  )

  it.effect("tell a Git LFS pointer from the file that it stands for", () =>
    Effect.gen(function* () {
      const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"a".repeat(64)}\nsize 12345\n`
      const { root } = yield* repositoryOf({
        "a.c": "int a;\n",
        "big.c": pointer,
        "doc.md": "version https://git-lfs\n"
      })
      const commit = yield* commitAll(root)
      const { documents, skipped } = yield* collected(root, commit)
      assert.deepStrictEqual(Object.keys(documents), ["a.c", "doc.md"])
      assert.deepStrictEqual(skipped, { "big.c": "Git LFS pointer" })
    })
  )
})
