/** Opens a split folder: the documents of each subset by number, their text read when asked for. */
import type { Artifact } from "@trainyard/core/Artifact"
import { Effect, Path } from "effect"
import { DamagedCorpus } from "../collect/CollectError.ts"
import * as CorpusReader from "../collect/CorpusReader.ts"
import { type Split, SplitDocument } from "./Split.ts"

/** The documents of one subset, numbered from 0. */
export type SubsetReader = Omit<CorpusReader.CorpusReader<SplitDocument>, "clusters">

/** An open split; its files are closed with the scope in which it was opened. */
export interface SplitReader {
  readonly train: SubsetReader
  readonly validation: SubsetReader
  /** Undefined where the split has none. */
  readonly test: SubsetReader | undefined
  /** All documents, in the order of the list. */
  readonly all: CorpusReader.CorpusReader<SplitDocument>
}

const fix = "Run the split stage again, without reusing this."

/** Opens a split. Fails with `DamagedCorpus` when its files do not fit together. */
export const open = Effect.fn("SplitReader.open")(function* ({
  directory,
  value
}: Pick<Artifact<typeof Split>, "directory" | "value">) {
  const path = yield* Path.Path
  const all = yield* CorpusReader.openAs(directory, SplitDocument, { name: "split", fix })
  const { test, train, validation } = value
  const sizes = [train, validation, test].map((subset) => subset?.documents ?? 0)
  if (sizes.reduce((sum, size) => sum + size, 0) !== all.documents) {
    const file = path.join(directory, "documents.jsonl")
    return yield* new DamagedCorpus({
      file,
      message: `The split file ${file} lists ${all.documents} documents, and the split has another number. ${fix}`
    })
  }
  const subset = (first: number, documents: number): SubsetReader => {
    const lengths = all.lengths.subarray(first, first + documents)
    return {
      documents,
      bytes: lengths.reduce((sum, length) => sum + length, 0),
      lengths,
      offsetOf: (index) => all.offsetOf(first + index),
      textFile: all.textFile,
      content: (index) => all.content(first + index),
      document: (index) => all.document(first + index),
      text: (index) => all.text(first + index)
    }
  }
  const reader: SplitReader = {
    all,
    train: subset(0, train.documents),
    validation: subset(train.documents, validation.documents),
    test: test && subset(train.documents + validation.documents, test.documents)
  }
  return reader
})
