import { readFileSync, renameSync, writeFileSync } from "node:fs"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { collect } from "../../../src/collect/collect.ts"
import * as Source from "../../../src/collect/Source.ts"
import * as Running from "../../runStage.ts"
import { folderOf, jsonLines } from "../folders.ts"
import { commitAll, git, repositoryOf, withEnvironment } from "../repositories.ts"

const commit = "0123456789abcdef0123456789abcdef01234567"

layer(Running.layer)("several sources", (it) => {
  it.effect("are the repositories of a list file at their commits", () =>
    Effect.gen(function* () {
      const root = yield* folderOf({
        "list.txt": `# ours\nhttps://example.org/a.git ${commit}\n\nhttps://example.org/b.git ${commit} # and this\n`,
        "words.txt": "https://example.org/a.git main now\n",
        "token.txt": "https://user:secret@example.org/a.git\n",
        "twice.txt": `https://example.org/a.git ${commit}\nhttps://example.org/a.git ${commit}\n`,
        "empty.txt": "# none\n"
      })
      assert.deepStrictEqual(
        Source.gitList(`${root}/list.txt`, { include: ["*.c"] }).map((source) => ({
          ...source,
          type: source.type
        })),
        ["a", "b"].map((name) => ({
          ...Source.git(`https://example.org/${name}.git`, { commit, include: ["*.c"] })
        }))
      )
      assert.throws(() => Source.gitList(`${root}/words.txt`), /Line 1 of .* must have an address/)
      assert.throws(() => Source.gitList(`${root}/token.txt`), /Line 1 of .* credential helper/)
      assert.throws(() => Source.gitList(`${root}/twice.txt`), /Line 2 .* repeats/)
      assert.throws(() => Source.gitList(`${root}/empty.txt`), /names no repository/)
      assert.throws(() => Source.gitList(`${root}/absent.txt`), /There is no list/)
    })
  )

  it.effect("of a list without commits are locked, and updated on request, one by one", () =>
    Effect.gen(function* () {
      const one = yield* repositoryOf({ "a.c": "int a;\n" })
      const two = yield* repositoryOf({ "b.c": "int b;\n" })
      yield* git(two.root, "branch", "--move", "work")
      yield* git(two.root, "tag", "--annotate", "v1", "--message", "A version")
      const files = yield* folderOf({ "list.txt": `${one.root}\n${two.root} v1\n` })
      const list = `${files}/list.txt`
      const collected = Effect.gen(function* () {
        const { artifact, events } = yield* Running.runStage(collect({ sources: Source.gitList(list) }))
        const documents = yield* jsonLines(artifact.directory, "documents.jsonl")
        const fetched = JSON.stringify(events).match(/"label":"fetched","text":"([^"]*)"/)?.[1]
        return { paths: documents.map(({ path }) => path), fetched }
      })
      const first = yield* collected
      assert.deepStrictEqual(first, { paths: ["a.c", "b.c"], fetched: "2 sources" })
      const lock = readFileSync(`${list}.lock`, "utf8")
      assert.include(lock, `${one.root} HEAD ${one.commit}\n${two.root} v1 ${two.commit}\n`)

      writeFileSync(`${one.root}/c.c`, "int c;\n")
      const newer = yield* commitAll(one.root)
      assert.deepStrictEqual(yield* collected, { paths: ["a.c", "b.c"], fetched: "no source" })
      assert.strictEqual(readFileSync(`${list}.lock`, "utf8"), lock)

      // The other repository is gone, and is not asked.
      renameSync(two.root, `${two.root}-moved`)
      writeFileSync(`${list}.lock`, lock.replace(/^.* HEAD .*\n/m, ""))
      assert.deepStrictEqual(yield* collected, { paths: ["a.c", "c.c", "b.c"], fetched: "1 source" })
      assert.include(readFileSync(`${list}.lock`, "utf8"), `HEAD ${newer}`)
      renameSync(`${two.root}-moved`, two.root)

      writeFileSync(`${two.root}/d.c`, "int d;\n")
      const last = yield* commitAll(two.root)
      writeFileSync(list, `${one.root}\n${two.root} work\n`)
      yield* withEnvironment({ TRAINYARD_UPDATE_LOCKS: "1" })
      Source.gitList(list)
      assert.include(readFileSync(`${list}.lock`, "utf8"), `${two.root} work ${last}\n`)
      writeFileSync(list, `${two.root} absent\n`)
      assert.throws(() => Source.gitList(list), /no branch or tag absent/)
    })
  )

  it.effect("are the clones in a folder, each with an origin and a licence of its own", () =>
    Effect.gen(function* () {
      const root = yield* folderOf({
        "one/.git/HEAD": "",
        "one/a.c": "int a;\n",
        "one/package.json": '{"license":"MIT"}',
        "owner/two/.git/HEAD": "",
        "owner/two/b.c": "int b;\n",
        "owner/two/inner/.git/HEAD": "",
        "loose/c.c": "int c;\n"
      })
      const options = { include: ["**/*.c"], gitignore: false }
      const { artifact } = yield* Running.runStage(collect({ sources: Source.clones(root, options) }))
      const documents = yield* jsonLines(artifact.directory, "documents.jsonl")
      assert.deepStrictEqual(
        documents.map(({ licence, origin, path }) => [origin, path, licence]),
        [
          [`folder:${root}/one`, "a.c", "MIT"],
          [`folder:${root}/owner/two`, "b.c", null]
        ]
      )
      assert.throws(() => Source.clones(`${root}/loose`), /holds no clone/)
    })
  )
})
