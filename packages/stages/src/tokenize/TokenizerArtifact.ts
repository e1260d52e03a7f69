/**
 * The tokenizer artifact.
 *
 * Files: `tokenizer.json` in Hugging Face's format; `tokenizer_config.json` beside it.
 */
import * as Artifact from "@trainyard/core/Artifact"
import { Schema } from "effect"

/** The kind of artifact that `tokenize` makes. `Tokenizer.load` opens its folder. */
export const TokenizerArtifact = Artifact.kind({
  name: "tokenizer",
  version: 2,
  value: Schema.Struct({
    /** What tells this tokenizer from every other. Datasets, runs and models that rest on it carry the same. */
    digest: Schema.String,
    model: Schema.Literals(["byte-pair", "word-level"]),
    /** Entries, special tokens included: every token id is below this. */
    vocabularySize: Schema.Int,
    /** Token that ends a document, and its id. */
    endToken: Schema.String,
    endTokenId: Schema.Int,
    /** Null for byte-level byte-pair encoding, which knows every text. */
    unknownTokenId: Schema.NullOr(Schema.Int),
    bytesPerToken: Schema.Finite,
    /** Share of the corpus's tokens that are unknown, 0 to 1. */
    unknownRate: Schema.Finite,
    /** Share of the vocabulary that the corpus uses, 0 to 1. */
    vocabularyUse: Schema.Finite
  })
})
