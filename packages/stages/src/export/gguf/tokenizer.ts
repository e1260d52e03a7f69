/**
 * A tokenizer as metadata of a GGUF file. llama.cpp encodes byte pairs by itself, after a rule for words that the file names: of its rules
 * only `gpt-2` is one of ours, so other tokenizers are refused, for the same text would become other tokens.
 *
 * Source: llama.cpp's `src/llama-vocab.cpp`: the regular expressions of each rule, and the keys that are read.
 */
import { Effect, FileSystem, Path, Predicate, Schema } from "effect"
import { bytePairSplittings } from "../../tokenize/splitting.ts"
import { ExportImpossible } from "../ExportImpossible.ts"
import { bool, int32s, type Metadata, string, strings, uint32 } from "./GgufFile.ts"

const Step = Schema.Struct({
  type: Schema.String,
  add_prefix_space: Schema.optionalKey(Schema.Boolean),
  use_regex: Schema.optionalKey(Schema.Boolean),
  pattern: Schema.optionalKey(Schema.Unknown)
})

/** What of a tokenizer.json goes into the file, and what must be so for llama.cpp to encode alike. */
const File = Schema.fromJsonString(
  Schema.Struct({
    added_tokens: Schema.optionalKey(
      Schema.Array(Schema.Struct({ id: Schema.Int, content: Schema.String, special: Schema.Boolean }))
    ),
    normalizer: Schema.optionalKey(Schema.Unknown),
    post_processor: Schema.optionalKey(Schema.NullOr(Schema.Struct({ type: Schema.String }))),
    pre_tokenizer: Schema.optionalKey(
      Schema.NullOr(Schema.Struct({ ...Step.fields, pretokenizers: Schema.optionalKey(Schema.Array(Step)) }))
    ),
    decoder: Schema.optionalKey(Schema.NullOr(Schema.Struct({ type: Schema.String }))),
    model: Schema.Struct({
      type: Schema.String,
      /** Not a Record: a vocabulary may well hold the word `__proto__`. */
      vocab: Schema.Unknown,
      merges: Schema.optionalKey(
        Schema.Array(Schema.Union([Schema.String, Schema.Tuple([Schema.String, Schema.String])]))
      ),
      continuing_subword_prefix: Schema.optionalKey(Schema.NullOr(Schema.String)),
      end_of_word_suffix: Schema.optionalKey(Schema.NullOr(Schema.String)),
      byte_fallback: Schema.optionalKey(Schema.Boolean),
      ignore_merges: Schema.optionalKey(Schema.Boolean)
    })
  })
)
type File = typeof File.Type
const decode = Schema.decodeUnknownEffect(File)

/** Numbers of `tokenizer.ggml.token_type`. */
const kinds = { normal: 1, control: 3, userDefined: 4, unused: 5 } as const

/** Tokens of fill-in-the-middle, by their usual names, and the keys that name them to llama.cpp. */
const infilling = [
  ["<|fim_prefix|>", "fim_pre"],
  ["<|fim_suffix|>", "fim_suf"],
  ["<|fim_middle|>", "fim_mid"],
  ["<|fim_pad|>", "fim_pad"]
] as const

/** Why llama.cpp would cut a text into other words than this tokenizer; undefined where it has the same rule. */
const otherWords = ({ pre_tokenizer }: File): string | undefined => {
  if (
    pre_tokenizer?.type === "ByteLevel" &&
    pre_tokenizer.add_prefix_space === false &&
    pre_tokenizer.use_regex !== false
  )
    return undefined
  const pattern = pre_tokenizer?.pretokenizers?.[0]?.pattern
  const regex = Predicate.hasProperty(pattern, "Regex") ? pattern.Regex : undefined
  const known = bytePairSplittings.find((splitting) => splitting.pattern === regex)
  if (known?.pattern.includes("\\s*[\\r\\n]+[\\t ]*"))
    return "it was made with wholeIndentation, which joins a line break with the indentation after it, and llama.cpp has no such rule for words: it would cut each line's indentation otherwise. Make the tokenizer without wholeIndentation"
  if (known !== undefined)
    return "it was made with singleDigits, and llama.cpp's rules with single digits keep all white space before a digit together, where ours leaves the last space by itself. Make the tokenizer without singleDigits"
  return "its rule for words is none that is known here to be one of llama.cpp's. Its own convert_hf_to_gguf.py knows the tokenizers of well-known models"
}

/** Why the tokenizer has no form in a GGUF file, as a clause with what to do; undefined where it has one. */
const whyImpossible = (file: File): string | undefined => {
  const { decoder, model, normalizer, post_processor } = file
  if (model.type === "WordLevel")
    return "it is a word-level one, and GGUF has no such tokenizer: llama.cpp could not encode a text. Train with a byte-pair tokenizer, or export as ONNX"
  if (model.type !== "BPE" || decoder?.type !== "ByteLevel" || model.byte_fallback === true)
    return "it is no byte-level byte-pair tokenizer, the only kind that is written here. Use llama.cpp's own convert_hf_to_gguf.py"
  if (Predicate.isNotNullish(normalizer))
    return "it changes a text before it cuts it (a normalizer), which llama.cpp would leave out. Use llama.cpp's own convert_hf_to_gguf.py"
  if (model.continuing_subword_prefix || model.end_of_word_suffix || model.ignore_merges === true)
    return "its byte pairs are joined in a way that llama.cpp does not have. Use llama.cpp's own convert_hf_to_gguf.py"
  if (Predicate.isNotNullish(post_processor) && post_processor.type !== "ByteLevel")
    return "it adds tokens to each text (a post-processor), and how is not read here. Use llama.cpp's own convert_hf_to_gguf.py"
  return otherWords(file)
}

/** Tokens and their kinds, in the order of their ids; ids without a token are filled. */
const tokensOf = ({ added_tokens = [], model }: File, size: number) => {
  const tokens = Array.from({ length: size }, (_, id) => `[unused ${id}]`)
  const types = new Array<number>(size).fill(kinds.unused)
  const put = (token: string, id: unknown, kind: number): void => {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= size) return
    tokens[id] = token
    types[id] = kind
  }
  for (const [token, id] of Object.entries(Predicate.isObject(model.vocab) ? model.vocab : {}))
    put(token, id, kinds.normal)
  for (const { content, id, special } of added_tokens)
    put(content, id, special ? kinds.control : kinds.userDefined)
  return { tokens, types }
}

/**
 * The metadata of a model folder's tokenizer. A document begins after an end token and ends with one; none is put before a prompt, as in
 * `generate`. Fails with `ExportImpossible` where llama.cpp would encode otherwise.
 */
export const tokenizerOf = Effect.fn("gguf.tokenizerOf")(function* (
  directory: string,
  vocabularySize: number,
  endTokenId: number
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const name = path.join(directory, "tokenizer.json")
  const impossible = (why: string) =>
    new ExportImpossible({ message: `${name} cannot be written into a GGUF file: ${why}.` })
  const file = yield* fs.readFileString(name).pipe(
    Effect.flatMap((text) => decode(text)),
    Effect.catchTag("SchemaError", () =>
      Effect.fail(
        impossible(
          "its vocabulary or its merges are not as the tokenizers library writes them. Make it again"
        )
      )
    )
  )
  const why = whyImpossible(file)
  if (why !== undefined) return yield* impossible(why)
  const { tokens, types } = tokensOf(file, vocabularySize)
  const merges = (file.model.merges ?? []).map((merge) =>
    typeof merge === "string" ? merge : merge.join(" ")
  )
  const metadata: Metadata = [
    ["tokenizer.ggml.model", string("gpt2")],
    ["tokenizer.ggml.pre", string("gpt-2")],
    ["tokenizer.ggml.tokens", strings(tokens)],
    ["tokenizer.ggml.token_type", int32s(types)],
    ["tokenizer.ggml.merges", strings(merges)],
    ["tokenizer.ggml.bos_token_id", uint32(endTokenId)],
    ["tokenizer.ggml.eos_token_id", uint32(endTokenId)],
    ["tokenizer.ggml.padding_token_id", uint32(endTokenId)],
    ["tokenizer.ggml.add_bos_token", bool(false)],
    ["tokenizer.ggml.add_eos_token", bool(false)],
    ...infilling.flatMap(([token, key]) => {
      const id = tokens.indexOf(token)
      return id === -1 ? [] : [[`tokenizer.ggml.${key}_token_id`, uint32(id)] as const]
    })
  ]
  return metadata
})
