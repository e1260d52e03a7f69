import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import type { SubsetReader } from "../../src/split/SplitReader.ts"
import { countWords } from "../../src/tokenize/learn.ts"
import { silence } from "../runStage.ts"

/** Documents by origin, as a training split has them. */
const subset = Effect.fnUntraced(function* (
  documents: ReadonlyArray<readonly [origin: string, text: string]>
) {
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "trainyard-words-"))),
    (made) => Effect.sync(() => rmSync(made, { recursive: true }))
  )
  const textFile = join(directory, "text.bin")
  writeFileSync(textFile, documents.map(([, text]) => text).join(""))
  const lengths = Float64Array.from(documents, ([, text]) => text.length)
  let end = 0
  const offsets = lengths.map((length) => (end += length) - length)
  const reader: SubsetReader = {
    documents: documents.length,
    bytes: end,
    lengths,
    offsetOf: (id) => offsets[id]!,
    textFile,
    document: (id) =>
      Effect.succeed({
        id,
        path: `${id}.c`,
        origin: documents[id]![0],
        licence: null,
        kind: "c",
        offset: offsets[id]!,
        bytes: lengths[id]!,
        digest: "",
        split: "train",
        corpusId: id
      }),
    text: (id) => Effect.succeed(documents[id]![1]),
    content: (id) => Effect.succeed(Buffer.from(documents[id]![1]))
  }
  return reader
})

const words = /\w+/g
const one = { minimumDocuments: 1, minimumOrigins: 1 }

it.layer(silence)("counting words", (it) => {
  it.effect("leaves the names of one project out, however often it has them", () =>
    Effect.gen(function* () {
      const corpus = yield* subset([
        ["git:a", "shared ours ours"],
        ["git:b", "shared theirs"],
        ["git:a", "ours again"],
        ["git:c", "theirs again"]
      ])
      const { learned, other } = yield* countWords(corpus, words, { minimumDocuments: 1, minimumOrigins: 2 })
      assert.deepStrictEqual(Object.fromEntries(learned), { shared: 2, theirs: 2, again: 2 })
      assert.deepStrictEqual(Object.fromEntries(other), { ours: 3 })
      const both = yield* countWords(corpus, words, { minimumDocuments: 3, minimumOrigins: 2 })
      assert.deepStrictEqual(Object.fromEntries(both.learned), {})
      assert.strictEqual((yield* countWords(corpus, words, one)).learned.size, 4)
    })
  )

  it.effect("forgets the rarest words where there are too many, and says how much text they are", () =>
    Effect.gen(function* () {
      const rare = (id: number) => Array.from({ length: 20 }, (_, at) => `w${id}x${at}`).join(" ")
      const corpus = yield* subset(
        Array.from({ length: 50 }, (_, id) => ["git:a", `often often twice${id % 2} ${rare(id)}`] as const)
      )
      const all = yield* countWords(corpus, words, one)
      assert.strictEqual(all.forgottenBytes, 0)
      const { forgottenBytes, learned } = yield* countWords(corpus, words, one, 100)
      assert.isAtMost(learned.size, 100)
      assert.strictEqual(learned.get("often"), 100)
      const bytesOf = (counts: ReadonlyMap<string, number>) =>
        [...counts].reduce((sum, [word, count]) => sum + count * word.length, 0)
      assert.strictEqual(bytesOf(learned) + forgottenBytes, bytesOf(all.learned))
    })
  )
})
