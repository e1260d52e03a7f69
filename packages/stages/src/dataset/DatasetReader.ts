/**
 * Opens a dataset folder: the tokens of each split, read by position, and where its documents stand in it. Memory grows with the number
 * of documents and not with the tokens, so a split may be larger than memory, or than a file that Node reads at once.
 */
import { digestFile } from "@trainyard/core/Durable"
import { Effect, FileSystem, Path, Schema, Stream } from "effect"
import type { SplitName } from "../split/Split.ts"
import { type Counts, Dataset, type Placed } from "./Dataset.ts"
import { DamagedDataset } from "./DatasetError.ts"
import * as DocumentList from "./DocumentList.ts"
import { type DocumentStarts, indexAt } from "./DocumentStarts.ts"
import { OpenTokens, type TokensUnreadable } from "./Tokens.ts"

export interface SplitReader {
  /** Tokens in the split. */
  readonly length: number
  /** Tokens `start` .. `start + count - 1`. */
  readonly read: (start: number, count: number) => Effect.Effect<Int32Array, TokensUnreadable>
  /** In the order of their first tokens. */
  readonly documents: ReadonlyArray<Placed>
  /** Where each of them begins: see `startsInWindow`. */
  readonly starts: DocumentStarts
  /** The document that a token belongs to; undefined where the split has no such token. */
  readonly documentAt: (tokenIndex: number) => Placed | undefined
}

export interface DatasetReader {
  readonly value: typeof Dataset.value.Type
  readonly train: SplitReader
  readonly validation: SplitReader
  /** Undefined where the dataset has none. */
  readonly test: SplitReader | undefined
}

const Value = Schema.fromJsonString(Dataset.value)

const damaged = (file: string, why: string): DamagedDataset =>
  new DamagedDataset({
    file,
    message: `${file} ${why}. Run the dataset stage again, without reusing this, or copy it again.`
  })

const openSplit = Effect.fnUntraced(function* (
  directory: string,
  split: SplitName,
  counts: typeof Counts.Type,
  tokenBytes: 2 | 4,
  documents: ReadonlyArray<Placed>
) {
  const path = yield* Path.Path
  const file = path.join(directory, `${split}.bin`)
  const { bytes, sha256 } = yield* digestFile(file).pipe(
    Effect.mapError((error) => damaged(file, `cannot be read (${error.message})`))
  )
  const expected = counts.tokens * tokenBytes
  if (bytes !== expected) return yield* damaged(file, `has ${bytes} bytes where ${expected} should be`)
  if (sha256 !== counts.digest) return yield* damaged(file, "is not what was written: its digest is another")
  let start = 0
  for (const document of documents) {
    if (document.start !== start || document.tokens < 1) {
      return yield* damaged(path.join(directory, "documents.jsonl"), `does not fit ${split}.bin`)
    }
    start += document.tokens
  }
  if (start !== counts.tokens) {
    return yield* damaged(path.join(directory, "documents.jsonl"), `does not fit ${split}.bin`)
  }
  const { length, read } = yield* (yield* OpenTokens)(file, tokenBytes)
  const starts = Float64Array.from(documents, (document) => document.start)
  const reader: SplitReader = {
    length,
    read,
    documents,
    starts,
    documentAt: (index) => (index >= 0 && index < length ? documents[indexAt(starts, index)] : undefined)
  }
  return reader
})

/**
 * Opens a dataset; its files are closed with the scope. Fails with `DamagedDataset` when a file is missing, cut off, changed, or does
 * not fit the others.
 */
export const open = Effect.fn("DatasetReader.open")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const valueFile = path.join(directory, "dataset.json")
  const value = yield* fs.readFileString(valueFile).pipe(
    Effect.mapError((error) => damaged(valueFile, `cannot be read (${error.message})`)),
    Effect.flatMap(Schema.decodeEffect(Value)),
    Effect.catchTag("SchemaError", () => Effect.fail(damaged(valueFile, "does not describe a dataset")))
  )
  const listFile = path.join(directory, "documents.jsonl")
  const documents: Record<SplitName, Array<Placed>> = { train: [], validation: [], test: [] }
  yield* Stream.runForEach(DocumentList.stream(directory), (document) =>
    Effect.sync(() => void documents[document.split].push(document))
  ).pipe(
    Effect.catchTags({
      UnreadableLine: ({ line }) =>
        Effect.fail(damaged(listFile, `does not describe a document in line ${line}`)),
      PlatformError: (error) => Effect.fail(damaged(listFile, `cannot be read (${error.message})`))
    })
  )
  const splitOf = (split: SplitName, counts: typeof Counts.Type) =>
    openSplit(directory, split, counts, value.tokenBytes, documents[split])
  const reader: DatasetReader = {
    value,
    train: yield* splitOf("train", value.train),
    validation: yield* splitOf("validation", value.validation),
    test: value.test && (yield* splitOf("test", value.test))
  }
  return reader
})
