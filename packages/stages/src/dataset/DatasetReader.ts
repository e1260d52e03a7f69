/**
 * Opens a dataset folder: the tokens of each split as one typed array, and where its documents stand in it. Node maps no files into
 * memory, so a split is read whole: two bytes a token, four beyond 65,536 vocabulary entries.
 */
import { endianness } from "node:os"
import { Effect, FileSystem, Path, Schema } from "effect"
import { type Counts, Dataset, Placed, type Split } from "./Dataset.ts"
import { DamagedDataset } from "./DatasetError.ts"

export interface SplitReader {
  readonly tokens: Uint16Array | Uint32Array
  /** In the order of their first tokens. */
  readonly documents: ReadonlyArray<Placed>
  /** The document that a token belongs to; undefined outside the split. */
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
const decodePlaced = Schema.decodeUnknownEffect(Schema.fromJsonString(Placed))

const damaged = (file: string, why: string): DamagedDataset =>
  new DamagedDataset({
    file,
    message: `${file} ${why}. Build the dataset again (--force --only dataset), or copy it again.`
  })

const toTokens = (bytes: Uint8Array, tokenBytes: 2 | 4): Uint16Array | Uint32Array => {
  const buffer = Buffer.from(bytes)
  if (endianness() === "BE") tokenBytes === 2 ? buffer.swap16() : buffer.swap32()
  const own = buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength)
  return tokenBytes === 2 ? new Uint16Array(own) : new Uint32Array(own)
}

const openSplit = Effect.fnUntraced(function* (
  directory: string,
  split: Split,
  counts: typeof Counts.Type,
  { tokenBytes, vocabularySize }: DatasetReader["value"],
  documents: ReadonlyArray<Placed>
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(directory, `${split}.bin`)
  const bytes = yield* fs
    .readFile(file)
    .pipe(Effect.mapError((error) => damaged(file, `cannot be read (${error.message})`)))
  const expected = counts.tokens * tokenBytes
  if (bytes.length !== expected) {
    return yield* damaged(file, `has ${bytes.length} bytes where ${expected} should be`)
  }
  const tokens = toTokens(bytes, tokenBytes)
  const foreign = tokens.findIndex((token) => token >= vocabularySize)
  if (foreign !== -1) {
    return yield* damaged(
      file,
      `has token ${tokens[foreign]} at ${foreign}, beyond its vocabulary of ${vocabularySize}`
    )
  }
  let start = 0
  for (const document of documents) {
    if (document.start !== start || document.tokens < 1) {
      return yield* damaged(path.join(directory, "documents.jsonl"), `does not fit ${split}.bin`)
    }
    start += document.tokens
  }
  if (start !== tokens.length) {
    return yield* damaged(path.join(directory, "documents.jsonl"), `does not fit ${split}.bin`)
  }
  const reader: SplitReader = {
    tokens,
    documents,
    documentAt: (index) => {
      if (!(index >= 0 && index < tokens.length)) return undefined
      let low = 0
      let high = documents.length - 1
      while (low < high) {
        const middle = (low + high + 1) >> 1
        if (documents[middle]!.start <= index) low = middle
        else high = middle - 1
      }
      return documents[low]
    }
  }
  return reader
})

/** Opens a dataset. Fails with `DamagedDataset` when a file is missing, cut off, or does not fit the others. */
export const open = Effect.fn("DatasetReader.open")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const read = (name: string) => {
    const file = path.join(directory, name)
    return fs
      .readFileString(file)
      .pipe(Effect.mapError((error) => damaged(file, `cannot be read (${error.message})`)))
  }
  const value = yield* Schema.decodeEffect(Value)(yield* read("dataset.json")).pipe(
    Effect.mapError(() => damaged(path.join(directory, "dataset.json"), "does not describe a dataset"))
  )
  const lines = (yield* read("documents.jsonl")).split("\n").filter((line) => line !== "")
  const documents = yield* Effect.forEach(lines, (line, index) =>
    decodePlaced(line).pipe(
      Effect.mapError(() =>
        damaged(path.join(directory, "documents.jsonl"), `does not describe a document in line ${index + 1}`)
      )
    )
  )
  const splitOf = (split: Split, counts: typeof Counts.Type) =>
    openSplit(
      directory,
      split,
      counts,
      value,
      documents.filter((document) => document.split === split)
    )
  const reader: DatasetReader = {
    value,
    train: yield* splitOf("train", value.train),
    validation: yield* splitOf("validation", value.validation),
    test: value.test && (yield* splitOf("test", value.test))
  }
  return reader
})
