/** How making and using a tokenizer fails. */
import { Schema } from "effect"

/** A vocabulary size that the corpus, or the model of tokenization, cannot give. */
export class ImpossibleVocabulary extends Schema.TaggedError<ImpossibleVocabulary>()("ImpossibleVocabulary", {
  requested: Schema.Int,
  smallest: Schema.Int,
  largest: Schema.Int,
  message: Schema.String
}) {}

/** A tokenizer folder that is missing, damaged, or in an unknown format. */
export class InvalidTokenizer extends Schema.TaggedError<InvalidTokenizer>()("InvalidTokenizer", {
  file: Schema.String,
  message: Schema.String
}) {}

/** Ids that the tokenizer does not have, a text that it cannot encode, or another tokenizer than expected. */
export class TokenizerMismatch extends Schema.TaggedError<TokenizerMismatch>()("TokenizerMismatch", {
  message: Schema.String
}) {}
