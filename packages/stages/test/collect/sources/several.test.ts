import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { collect } from "../../../src/collect/collect.ts"
import * as Source from "../../../src/collect/Source.ts"
import * as Running from "../../runStage.ts"
import { folderOf, jsonLines } from "../folders.ts"

const commit = "0123456789abcdef0123456789abcdef01234567"

layer(Running.layer)("several sources", (it) => {
  it.effect("are the repositories of a list file at their commits", () =>
    Effect.gen(function* () {
      const root = yield* folderOf({
        "list.txt": `# ours\nhttps://example.org/a.git ${commit}\n\nhttps://example.org/b.git ${commit} # and this\n`,
        "branch.txt": "https://example.org/a.git main\n",
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
      assert.throws(() => Source.gitList(`${root}/branch.txt`), /Line 1 of .* git ls-remote/)
      assert.throws(() => Source.gitList(`${root}/twice.txt`), /Line 2 .* repeats/)
      assert.throws(() => Source.gitList(`${root}/empty.txt`), /names no repository/)
      assert.throws(() => Source.gitList(`${root}/absent.txt`), /There is no list/)
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
