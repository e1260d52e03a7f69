/**
 * The tokenizer artifact.
 *
 * Files: `tokenizer.json` in Hugging Face's format; `tokenizer_config.json` beside it; and, where it was learned here, `documents.txt`: the
 * SHA-256 of each document that it was learned from, one a line (see `LearnedDocuments`).
 */
import * as Artifact from "@trainyard/core/Artifact"
import { Schema } from "effect"

/** The kind of artifact that `tokenize` and `import-tokenizer` make. `Tokenizer.load` opens its folder. */
export const TokenizerArtifact = Artifact.kind({
  name: "tokenizer",
  version: 3,
  view: () => import("./view.ts"),
  value: Schema.Struct({
    /** Identifies the tokenizer; datasets, runs and models that were made with it have the same digest. */
    digest: Schema.String,
    /** `other` for one that was made elsewhere in a way that Trainyard does not make. */
    model: Schema.Literals(["byte-pair", "word-level", "other"]),
    /** Entries, special tokens included: every token id is below this. */
    vocabularySize: Schema.Int,
    /** Token that ends a document, and its id. */
    endToken: Schema.String,
    endTokenId: Schema.Int,
    /** Null for byte-level byte-pair encoding, which knows every text. */
    unknownTokenId: Schema.NullOr(Schema.Int),
    /** These three are of the training split that it was learned from; absent for a tokenizer that was made elsewhere. */
    bytesPerToken: Schema.optionalKey(Schema.Finite),
    /** Share of its tokens that are unknown, 0 to 1. */
    unknownRate: Schema.optionalKey(Schema.Finite),
    /** Share of the vocabulary that it uses, 0 to 1. */
    vocabularyUse: Schema.optionalKey(Schema.Finite)
  })
})
