/**
 * tokenizer.json for Transformers.js, which has no word-level tokenizer and would give unknown words no token. WordPiece with a mark before the
 * later parts of a word that no vocabulary has is the same: a word is an entry as a whole, or unknown.
 *
 * Source: WordPiece's greedy search, https://huggingface.co/docs/tokenizers/api/models.
 */
import { Predicate } from "effect"

/** Longest word that WordPiece looks up; longer ones are unknown to it. No word of a text is as long. */
const longestWord = 2 ** 31 - 1

/** A mark that begins no entry of the vocabulary. */
const unusedMark = (vocabulary: object): string => {
  const words = Object.keys(vocabulary)
  let mark = "\u0001"
  while (words.some((word) => word.startsWith(mark))) mark += "\u0001"
  return mark
}

/** A parsed tokenizer.json as Transformers.js reads it; others than word-level ones are as they were. */
export const forTransformersJs = (json: unknown): unknown => {
  if (!Predicate.isObject(json) || !Predicate.hasProperty(json, "model")) return json
  const { model } = json
  if (!Predicate.isObject(model) || !("type" in model) || model.type !== "WordLevel") return json
  const vocabulary = "vocab" in model && Predicate.isObject(model.vocab) ? model.vocab : {}
  return {
    ...json,
    model: {
      ...model,
      type: "WordPiece",
      continuing_subword_prefix: unusedMark(vocabulary),
      max_input_chars_per_word: longestWord
    }
  }
}
