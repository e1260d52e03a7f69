/**
 * The dataset artifact: token ids of the training, the validation and the test split. Each split is one stream of tokens; how it is cut
 * into windows is up to training.
 *
 * Files: `train.bin`, `validation.bin` and, where there is a test split, `test.bin`, little-endian unsigned integers of `tokenBytes` bytes
 * each, documents in a seeded order, each followed by the end token unless its end was cut off; `documents.jsonl`, one `Placed` a line, with
 * each document's start; and, so that a dataset is readable alone, `dataset.json` (this artifact's value), `tokenizer.json` and
 * `tokenizer_config.json`.
 */
import * as Artifact from "@trainyard/core/Artifact"
import { Schema } from "effect"
import { SplitName } from "../split/Split.ts"

export const Counts = Schema.Struct({
  documents: Schema.Int,
  /** End tokens included. */
  tokens: Schema.Int,
  /** UTF-8 bytes of the documents' text, the divisor of bits per byte. */
  bytes: Schema.Int,
  /** Documents of which only a part is in the split; absent in older datasets. */
  partial: Schema.optionalKey(Schema.Int),
  /** Digest of the split's text, `Subset.digest`: the same for every tokenizer. Absent where tokens were cut off, and in older datasets. */
  text: Schema.optionalKey(Schema.String),
  /** SHA-256 of the split's token file: two splits are the same only when this is. */
  digest: Schema.String
})

/** Where a document of the corpus stands in the dataset. */
export const Placed = Schema.Struct({
  /** Its number in the corpus. */
  id: Schema.Int,
  path: Schema.String,
  origin: Schema.String,
  kind: Schema.String,
  split: SplitName,
  /** Index of its first token in its split, and how many, end token included. */
  start: Schema.Int,
  tokens: Schema.Int,
  /** UTF-8 bytes of its text in the split. */
  bytes: Schema.Int,
  /**
   * Present where only a part of the document is in the split: the byte of the document at which the part begins, and the bytes of the whole.
   * A part that stops before the document ends has no end token.
   */
  part: Schema.optionalKey(Schema.Struct({ from: Schema.Int, of: Schema.Int }))
})
export type Placed = typeof Placed.Type

export const Dataset = Artifact.kind({
  name: "dataset",
  version: 3,
  view: () => import("./view.ts"),
  value: Schema.Struct({
    /** Digest of the tokenizer that lies beside the tokens. */
    tokenizer: Schema.String,
    vocabularySize: Schema.Int,
    endTokenId: Schema.Int,
    tokenBytes: Schema.Literals([2, 4]),
    seed: Schema.Int,
    train: Counts,
    validation: Counts,
    /** Absent where the corpus was too small for one, none was asked for, or the dataset is older than test splits. */
    test: Schema.optionalKey(Counts)
  })
})
