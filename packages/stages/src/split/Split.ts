/**
 * The split artifact: which documents of a corpus are for training, for validation and for the test, with their text. Tokenizer and dataset
 * are made from it, so that no stage before the final evaluation can see a test document.
 *
 * Files: `text.bin`, the documents' UTF-8 text end to end, training first, then validation, then test, each in a seeded order;
 * `documents.jsonl`, one `SplitDocument` a line in the same order.
 */
import * as Artifact from "@trainyard/core/Artifact"
import { Schema } from "effect"
import { Document } from "../collect/Corpus.ts"

/** Training learns from `train` and chooses by `validation`; `test` is for the final evaluation in the `validate` stage, and no stage before it reads it. */
export const SplitName = Schema.Literals(["train", "validation", "test"])
export type SplitName = typeof SplitName.Type

/** A document of a split. `id`, `offset`, `bytes` and `digest` are those of its text here, which may be a part of the document's text. */
export const SplitDocument = Schema.Struct({
  ...Document.fields,
  split: SplitName,
  /** Its number in the corpus. */
  corpusId: Schema.Int,
  /** Present where only a part of the document is here. */
  part: Schema.optionalKey(
    Schema.Struct({
      /** Byte of the document at which the part begins. */
      from: Schema.Int,
      /** Bytes of the whole document, and SHA-256 of its text. */
      of: Schema.Int,
      digest: Schema.String
    })
  )
})
export type SplitDocument = typeof SplitDocument.Type

export const Subset = Schema.Struct({
  documents: Schema.Int,
  /** Documents of which only a part is in it. */
  partial: Schema.Int,
  bytes: Schema.Int,
  /** SHA-256 of the digests of its documents' texts, in order: two subsets are the same text only when this is. */
  digest: Schema.String
})
export type Subset = typeof Subset.Type

/** The kind of artifact that `splitCorpus` makes. `SplitReader` opens its folder. */
export const Split = Artifact.kind({
  name: "split",
  version: 1,
  view: () => import("./view.ts"),
  value: Schema.Struct({
    seed: Schema.Int,
    train: Subset,
    validation: Subset,
    /** Absent where none was asked for, or the corpus was too small for one. */
    test: Schema.optionalKey(Subset),
    /** Documents beyond the limits, which are in no subset. */
    leftOut: Schema.Struct({ documents: Schema.Int, bytes: Schema.Int })
  })
})
