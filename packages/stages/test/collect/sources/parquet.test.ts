import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as CorpusReader from "../../../src/collect/CorpusReader.ts"
import { collect } from "../../../src/collect/collect.ts"
import * as Source from "../../../src/collect/Source.ts"
import * as Running from "../../runStage.ts"
import { folderOf, jsonLines } from "../folders.ts"

// Made by stack.py.
const file = fileURLToPath(new URL("./stack.parquet", import.meta.url))

type Limits = { readonly maximumUnpackedBytes?: number }

const collected = Effect.fnUntraced(function* (
  path: string,
  options: Parameters<typeof Source.parquet>[1],
  limits: Limits = {}
) {
  const { artifact } = yield* Running.runStage(
    collect({ sources: [Source.parquet(path, options)], ...limits })
  )
  return {
    corpus: yield* CorpusReader.open(artifact.directory),
    documents: yield* jsonLines(artifact.directory, "documents.jsonl"),
    skipped: yield* jsonLines(artifact.directory, "skipped.jsonl")
  }
})

const fields = {
  textField: "content",
  pathField: "path",
  licenceField: "licenses",
  originField: "meta.repo",
  ending: "c"
}

layer(Running.layer)("Parquet", (it) => {
  it.effect("gives a document a row, through all row groups and compressions", () =>
    Effect.gen(function* () {
      const { corpus, documents, skipped } = yield* collected(file, fields)
      assert.deepStrictEqual(
        documents.map(({ licence, origin, path }) => [path, licence, `${origin}`.split("#")[1]]),
        [
          ...[0, 1, 2, 3, 4].map((index) => [`src/f${index}.c`, "MIT", "a/one"]),
          ["stack.parquet/7.c", "MIT AND BSD-3-Clause", "b/two"]
        ]
      )
      assert.strictEqual(yield* corpus.text(3), "int f3(void) { return 3; }\n".repeat(20))
      assert.strictEqual(yield* corpus.text(5), "int ü; // ✓\n")
      assert.deepStrictEqual(
        skipped.map(({ path, reason }) => [path, reason]),
        [["src/none.c", 'no field "content"']]
      )
    })
  )

  it.effect("takes the files of a folder, in the order of their names, and no hidden ones", () =>
    Effect.gen(function* () {
      const bytes = readFileSync(file)
      const root = yield* folderOf({
        "data/train-1.parquet": bytes,
        "data/train-0.parquet": bytes,
        ".cache/old.parquet": "no Parquet",
        "README.md": "# A data set\n"
      })
      const { documents, skipped } = yield* collected(root, { textField: "content", ending: "c" })
      assert.deepStrictEqual(documents[0]!.path, "data/train-0.parquet/1.c")
      assert.lengthOf(documents, 6)
      assert.lengthOf(
        skipped.filter(({ reason }) => reason === "duplicate"),
        6
      )
    })
  )

  it.effect("screens bytes that are not marked as text as a file's", () =>
    Effect.gen(function* () {
      const { documents, skipped } = yield* collected(file, { textField: "raw" })
      assert.lengthOf(documents, 5)
      assert.deepStrictEqual(
        skipped.map(({ reason }) => reason),
        ["not UTF-8", 'no field "raw"']
      )
    })
  )

  it.effect("names the columns where the one with the text is not there, and what is damaged", () =>
    Effect.gen(function* () {
      const bytes = readFileSync(file)
      const root = yield* folderOf({
        "cut.parquet": bytes.subarray(0, bytes.length - 40),
        "text.parquet": "this is no Parquet file",
        "empty.parquet": ""
      })
      const failure = (path: string, options = {}, limits: Limits = {}) =>
        Effect.map(Effect.flip(collected(path, options, limits)), ({ message }) => message)
      assert.include(
        yield* failure(file),
        'stack.parquet has no column "text". Its columns: content, path, licenses, meta, raw.'
      )
      for (const name of ["cut", "text", "empty"]) {
        assert.match(yield* failure(`${root}/${name}.parquet`), /is damaged, cut off or no Parquet file \(/)
      }
      assert.include(
        yield* failure(file, { textField: "content" }, { maximumUnpackedBytes: 10 }),
        "more than maximumUnpackedBytes, 10"
      )
    })
  )
})
