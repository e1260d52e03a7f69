/**
 * Hugging Face's tokenizer.json and tokenizer_config.json: what we write, and what we need to know of a file that somebody else may
 * have written.
 */
import { Schema } from "effect"
import { type Order, orderKey, sentinelTokens } from "./sentinels.ts"
import { lexerPattern } from "./splitting.ts"

export const endToken = "<|endoftext|>"
const unknownToken = "<unk>"

const special = (content: string, id: number) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true
})

const frame = { version: "1.0", truncation: null, padding: null, normalizer: null, post_processor: null }

/** Bytes as letters, after a rule for words: GPT-2's, or one with a pattern of its own. */
const bytePairWords = (pattern: string | undefined) => {
  const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true }
  return pattern === undefined
    ? { ...bytes, use_regex: true }
    : {
        type: "Sequence",
        pretokenizers: [
          { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false },
          { ...bytes, use_regex: false }
        ]
      }
}

/** Special tokens of a byte-pair tokenizer, in the order of their ids. */
export const specialTokens = (fillsInTheMiddle: boolean): ReadonlyArray<string> =>
  fillsInTheMiddle ? [endToken, ...sentinelTokens] : [endToken]

/**
 * A byte-level byte-pair tokenizer; the end token follows the learned entries, as in GPT-2, and the sentinels of fill-in-the-middle follow it,
 * where they are wanted. `pattern` is that of a rule for words besides GPT-2's.
 */
export const bytePairJson = (
  tokens: ReadonlyArray<string>,
  merges: ReadonlyArray<readonly [number, number]>,
  pattern?: string,
  fillsInTheMiddle = false
) => ({
  ...frame,
  added_tokens: specialTokens(fillsInTheMiddle).map((token, index) => special(token, tokens.length + index)),
  pre_tokenizer: bytePairWords(pattern),
  decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
  model: {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab: Object.fromEntries(
      [...tokens, ...specialTokens(fillsInTheMiddle)].map((token, id) => [token, id])
    ),
    merges: merges.map(([left, right]) => [tokens[left]!, tokens[right]!])
  }
})

/** A word-level tokenizer: the unknown token, the end token, then the words. Its tokens joined are the text, unknown ones apart. */
export const wordLevelJson = (words: ReadonlyArray<string>) => ({
  ...frame,
  added_tokens: [special(unknownToken, 0), special(endToken, 1)],
  pre_tokenizer: { type: "Split", pattern: { Regex: lexerPattern }, behavior: "Isolated", invert: false },
  decoder: { type: "Fuse" },
  model: {
    type: "WordLevel",
    vocab: Object.fromEntries([unknownToken, endToken, ...words].map((word, id) => [word, id])),
    unk_token: unknownToken
  }
})

/**
 * Settings that GPT-2 needs whoever made the tokenizer. Without the input names, transformers 4 also returns token_type_ids, and GPT-2
 * then adds an embedding to every position.
 */
export const gpt2Settings = (endToken: string) => ({
  bos_token: endToken,
  eos_token: endToken,
  pad_token: endToken,
  model_input_names: ["input_ids", "attention_mask"]
})

/** What `AutoTokenizer.from_pretrained` reads beside tokenizer.json. */
export const configJson = (unknown: boolean, fillsInTheMiddle = false) => ({
  tokenizer_class: "PreTrainedTokenizerFast",
  ...gpt2Settings(endToken),
  ...(unknown ? { unk_token: unknownToken } : {}),
  ...(fillsInTheMiddle
    ? { additional_special_tokens: sentinelTokens, [orderKey]: "suffix-prefix-middle" satisfies Order }
    : {}),
  clean_up_tokenization_spaces: false
})

const preTokenizer = {
  type: Schema.String,
  add_prefix_space: Schema.optionalKey(Schema.Boolean),
  use_regex: Schema.optionalKey(Schema.Boolean),
  pattern: Schema.optionalKey(Schema.Unknown),
  behavior: Schema.optionalKey(Schema.String),
  invert: Schema.optionalKey(Schema.Boolean)
}

/** The parts of a tokenizer.json that are read here; the library checks the rest. */
export const TokenizerJson = Schema.Struct({
  added_tokens: Schema.optionalKey(
    Schema.Array(Schema.Struct({ id: Schema.Int, content: Schema.String, special: Schema.Boolean }))
  ),
  normalizer: Schema.optionalKey(Schema.Unknown),
  decoder: Schema.optionalKey(Schema.NullOr(Schema.Struct({ type: Schema.String }))),
  post_processor: Schema.optionalKey(Schema.Unknown),
  pre_tokenizer: Schema.optionalKey(
    Schema.NullOr(
      Schema.Struct({
        ...preTokenizer,
        /** Those of a sequence. */
        pretokenizers: Schema.optionalKey(Schema.Array(Schema.Struct(preTokenizer)))
      })
    )
  ),
  model: Schema.Struct({
    type: Schema.String,
    unk_token: Schema.optionalKey(Schema.NullOr(Schema.String)),
    /** Token to id. Not a Record: a vocabulary may well hold the word `__proto__`. */
    vocab: Schema.Unknown
  })
})
export type TokenizerJson = typeof TokenizerJson.Type
