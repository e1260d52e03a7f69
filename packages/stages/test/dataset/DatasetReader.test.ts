import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { digestFile } from "@trainyard/core/Durable"
import { Effect, FileSystem } from "effect"
import type { Dataset, Placed } from "../../src/dataset/Dataset.ts"
import * as DatasetReader from "../../src/dataset/DatasetReader.ts"
import type { SplitName } from "../../src/split/Split.ts"
import { forEachDocument, sample } from "../../src/validate/measure.ts"
import * as Running from "../runStage.ts"

/** Two bytes a token: a little more than Node reads of a file at once, and than a buffer of 2 GiB holds. */
const large = 2 ** 30 + 2 ** 20
const tail = [5, 4, 3, 2, 1]

/** SHA-256 of the large split: `digestFile` of it, which takes seconds. */
const largeDigest = "7a6feac2b6e548c5dd4df88f729f0e6baf5b39596465dbb4b8d83e65e535f9fa"

/** Writes a split of which only the last tokens take room on the disk. */
const write = (file: string, tokens: number) => {
  const descriptor = openSync(file, "w")
  ftruncateSync(descriptor, (tokens - tail.length) * 2)
  writeSync(
    descriptor,
    Buffer.from(Uint16Array.from(tail).buffer),
    0,
    tail.length * 2,
    (tokens - tail.length) * 2
  )
  closeSync(descriptor)
}

layer(Running.layer)("a dataset of more than 2 GiB", (it) => {
  it.effect(
    "is opened and read by position",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const directory = yield* fs.makeTempDirectoryScoped({ prefix: "trainyard-large-" })
        const documents: Array<Placed> = []
        const counts = Effect.fnUntraced(function* (split: SplitName, tokens: number) {
          const file = join(directory, `${split}.bin`)
          write(file, tokens)
          const parts = [tokens - 2 * tail.length, tail.length, tail.length]
          let start = 0
          for (const length of parts) {
            const id = documents.length
            documents.push({
              id,
              path: `${id}.c`,
              origin: "folder:test",
              kind: "c",
              split,
              start,
              tokens: length,
              bytes: length
            })
            start += length
          }
          const digest = tokens === large ? largeDigest : (yield* digestFile(file)).sha256
          return { documents: parts.length, tokens, bytes: tokens, digest }
        })
        const value: (typeof Dataset)["value"]["Type"] = {
          tokenizer: "0",
          vocabularySize: 6,
          endTokenId: 1,
          tokenBytes: 2,
          seed: 1,
          train: yield* counts("train", large),
          validation: yield* counts("validation", 64)
        }
        writeFileSync(join(directory, "dataset.json"), JSON.stringify(value))
        writeFileSync(
          join(directory, "documents.jsonl"),
          documents.map((each) => `${JSON.stringify(each)}\n`).join("")
        )

        const { train, validation } = yield* DatasetReader.open(directory)
        assert.strictEqual(train.length, large)
        const last = train.documents.at(-1)!
        assert.deepStrictEqual([...(yield* train.read(last.start, last.tokens))], tail)
        assert.strictEqual(train.documentAt(large - 1), last)

        // What `validate` does with a split: a sample of its documents, and each of them in turn.
        const few = sample({ ...train, documents: train.documents.slice(1) }, 1, 1)
        assert.lengthOf(few.documents, 1)
        const seen: Array<ReadonlyArray<number>> = []
        yield* forEachDocument({ ...train, documents: train.documents.slice(1) }, (tokens) =>
          seen.push([...tokens])
        )
        assert.deepStrictEqual(seen, [[0, 0, 0, 0, 0], tail])
        assert.strictEqual(validation.length, 64)
      }),
    120_000
  )
})
