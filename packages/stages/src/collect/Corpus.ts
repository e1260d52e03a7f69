/**
 * The corpus artifact: every document's text and where it came from.
 *
 * Files: `text.bin`, all documents' UTF-8 text end to end; `documents.jsonl`, one `Document` a line in the same order;
 * `skipped.jsonl`, one line for each file left out, with the reason. A path there that ends with `/` is a folder, left out as a whole.
 * A refined corpus also has `changed.jsonl` and `clusters.jsonl`; its `skipped.jsonl` has the documents that `refine` dropped.
 */
import * as Artifact from "@trainyard/core/Artifact"
import { Schema } from "effect"

/** One document of a corpus, as a line of `documents.jsonl`. */
export const Document = Schema.Struct({
  /** Position in the corpus, from 0. */
  id: Schema.Int,
  /** Path within its source, with `/`. */
  path: Schema.String,
  /** Source and version, for example `npm:node-rdkafka@3.6.1` or `folder:/home/me/code`. */
  origin: Schema.String,
  /** SPDX expression where the source states one. */
  licence: Schema.NullOr(Schema.String),
  /** File ending without the dot, lower case; "" when it has none. */
  kind: Schema.String,
  /** Byte offset of the text in `text.bin`, and its length. */
  offset: Schema.Int,
  bytes: Schema.Int,
  /** SHA-256 of the text, hexadecimal. */
  digest: Schema.String,
  /** Encoding that the file was in, where that was not UTF-8. */
  encoding: Schema.optionalKey(Schema.String),
  /** Number of its cluster of near-duplicates, where `refine` found one. A split keeps a cluster on one side. */
  cluster: Schema.optionalKey(Schema.Int)
})
export type Document = typeof Document.Type

/** What `refine` did to a corpus. */
export const Refinement = Schema.Struct({
  /** The corpus that it was given. */
  documents: Schema.Int,
  bytes: Schema.Int,
  /** Why documents were dropped, most bytes first. */
  dropped: Schema.Array(Schema.Struct({ reason: Schema.String, documents: Schema.Int, bytes: Schema.Int })),
  /** What was changed in documents that stayed, in how many of them and at how many places. */
  changed: Schema.Array(Schema.Struct({ change: Schema.String, documents: Schema.Int, places: Schema.Int })),
  /** Clusters of near-duplicates, the documents in them, and how many of these stayed. */
  clusters: Schema.Struct({ clusters: Schema.Int, documents: Schema.Int, kept: Schema.Int })
})
export type Refinement = typeof Refinement.Type

/** The kind of artifact that `collect` and `refine` make. `CorpusReader` opens its folder. */
export const Corpus = Artifact.kind({
  name: "corpus",
  version: 1,
  view: () => import("./view.ts"),
  value: Schema.Struct({
    documents: Schema.Int,
    bytes: Schema.Int,
    /** By kind, largest count first. */
    kinds: Schema.Array(Schema.Struct({ kind: Schema.String, documents: Schema.Int, bytes: Schema.Int })),
    /** Why files were left out, and how many. */
    skipped: Schema.Array(Schema.Struct({ reason: Schema.String, files: Schema.Int })),
    /** Documents that were decoded to UTF-8, by the encoding of their files. */
    decoded: Schema.optionalKey(
      Schema.Array(Schema.Struct({ encoding: Schema.String, documents: Schema.Int }))
    ),
    sources: Schema.Array(Schema.String),
    /** Present in a corpus that `refine` made. */
    refinement: Schema.optionalKey(Refinement)
  })
})
