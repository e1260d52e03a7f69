/**
 * The corpus artifact: every document's text and where it came from.
 *
 * Files: `text.bin`, all documents' UTF-8 text end to end; `documents.jsonl`, one `Document` a line in the same order;
 * `skipped.jsonl`, one line for each file left out, with the reason. A path there that ends with `/` is a folder, left out as a whole.
 */
import * as Artifact from "@trainyard/core/Artifact"
import { Schema } from "effect"

/**
 * Bytes of the largest text. JavaScript's longest string has so many characters, and no text has more characters than bytes of UTF-8.
 */
export const maximumTextBytes = 2 ** 29 - 24

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
  encoding: Schema.optionalKey(Schema.String)
})
export type Document = typeof Document.Type

/** The kind of artifact that `collect` makes. `CorpusReader` opens its folder. */
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
    sources: Schema.Array(Schema.String)
  })
})
