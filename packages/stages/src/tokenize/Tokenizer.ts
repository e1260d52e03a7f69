/**
 * A tokenizer, loaded from a folder with a tokenizer.json: text to token ids and back. The `tokenizers` library
 * decodes, `encoding` encodes. Each distinct word is encoded once and remembered, because code repeats itself.
 */
import { Effect, FileSystem, Option, Path, Predicate, Schema } from "effect"
import { Tokenizer as Library } from "tokenizers"
import { bytesOfTokens } from "./byteLevel.ts"
import { byteLevelDecoder } from "./byteLevelDecoder.ts"
import { digestOf } from "./digest.ts"
import * as Encoding from "./encoding.ts"
import { bytePairSplittings, bytePairWords, lexerPattern, lexerWords } from "./splitting.ts"
import { InvalidTokenizer, TokenizerMismatch } from "./TokenizerError.ts"
import { endToken as ownEndToken, TokenizerJson } from "./tokenizerJson.ts"
import { wordModelOf } from "./wordModel.ts"

/** A loaded tokenizer. */
export interface Tokenizer {
  /** `other` for a tokenizer that Trainyard did not make; it encodes and decodes all the same. */
  readonly model: "byte-pair" | "word-level" | "other"
  /** Every id is below this. */
  readonly vocabularySize: number
  readonly endToken: string
  readonly endTokenId: number
  readonly unknownTokenId: number | null
  /** Identifies the tokenizer: see `digest.ts`. */
  readonly digest: string
  /**
   * Ids of a text, without special tokens. `<|endoftext|>` in the text is encoded as ordinary text, so a document cannot contain the end
   * token.
   */
  readonly encode: (text: string) => Effect.Effect<Uint32Array, TokenizerMismatch>
  /** How it encodes, for threads. */
  readonly encoding: Encoding.Encoding
  readonly encodeBatch: (
    texts: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Uint32Array>, TokenizerMismatch>
  /**
   * Text of ids. For byte-pair encoding `decode(encode(text))` is the text; bytes that make no whole character become U+FFFD. Fails
   * on an id that the vocabulary does not have.
   */
  readonly decode: (ids: Iterable<number>) => Effect.Effect<string, TokenizerMismatch>
  /**
   * UTF-8 bytes of a text that `ids`, its first ones, stand for. Exact also where a byte-level id ends inside a character, which a decoded
   * text cannot show.
   */
  readonly bytesOf: (text: string, ids: Uint32Array) => Effect.Effect<number, TokenizerMismatch>
  /** UTF-8 bytes of each id, undefined for special tokens; undefined where the vocabulary is not byte-level. */
  readonly tokenBytes: ReadonlyArray<Uint8Array | undefined> | undefined
}

const Config = Schema.fromJsonString(
  Schema.Struct({
    eos_token: Schema.optionalKey(
      Schema.NullOr(Schema.Union([Schema.String, Schema.Struct({ content: Schema.String })]))
    )
  })
)

/** A rule that cuts text into words, each independent of the text around it. */
interface Words {
  readonly model: "byte-pair" | "word-level"
  readonly words: RegExp
}

type PreTokenizer = Exclude<TokenizerJson["pre_tokenizer"], null | undefined>

const isByteLevelStep = (step: Omit<PreTokenizer, "pretokenizers"> | undefined, regex: boolean): boolean =>
  step?.type === "ByteLevel" && step.add_prefix_space === false && (step.use_regex ?? true) === regex

/** The regular expression of a step that splits and keeps every piece. */
const splitPattern = (step: Omit<PreTokenizer, "pretokenizers"> | undefined): unknown =>
  step?.type === "Split" &&
  step.behavior === "Isolated" &&
  step.invert !== true &&
  Predicate.hasProperty(step.pattern, "Regex")
    ? step.pattern.Regex
    : undefined

/** How a tokenizer.json cuts text into words; undefined where the rule is unknown here. */
const wordsOf = (json: TokenizerJson, addedOutside: boolean): Words | undefined => {
  const pre = json.pre_tokenizer
  if (pre === null || pre === undefined || addedOutside) return undefined
  if (Predicate.isNotNullish(json.normalizer) || Predicate.isNotNullish(json.post_processor)) return undefined
  if (json.model.type === "WordLevel" && splitPattern(pre) === lexerPattern)
    return { model: "word-level", words: lexerWords }
  if (json.model.type !== "BPE") return undefined
  if (isByteLevelStep(pre, true)) return { model: "byte-pair", words: bytePairWords }
  const [first, second, ...more] = pre.type === "Sequence" ? (pre.pretokenizers ?? []) : []
  if (more.length > 0 || !isByteLevelStep(second, false)) return undefined
  const known = bytePairSplittings.find(({ pattern }) => pattern === splitPattern(first))
  return known && { model: "byte-pair", words: known.words }
}

/** Whether each character of a token is one byte of the text. */
const isByteLevel = ({ decoder, model, normalizer, pre_tokenizer }: TokenizerJson): boolean =>
  model.type === "BPE" &&
  decoder?.type === "ByteLevel" &&
  [pre_tokenizer, ...(pre_tokenizer?.pretokenizers ?? [])].every((step) => step?.add_prefix_space !== true) &&
  !Predicate.isNotNullish(normalizer)

/** Bytes of each id of a byte-level vocabulary, which writes a byte as one character. */
const byteLevelBytes = (
  vocabulary: ReadonlyArray<readonly [string, number]>,
  added: ReadonlyArray<{ readonly id: number; readonly content: string }>
) =>
  new Map([
    ...vocabulary.map(([token, id]) => [id, token.length] as const),
    ...added.map(({ content, id }) => [id, Buffer.byteLength(content)] as const)
  ])

/** Bytes up to where the library puts the end of an id in the text, which it counts in characters. */
const bytesByOffset = (library: Library, text: string, count: number) =>
  Effect.tryPromise({
    try: async () => {
      const encoding = await library.encode(text, null, { addSpecialTokens: false })
      const end = encoding.getOffsets()[count - 1]?.[1] ?? 0
      return Buffer.byteLength([...text].slice(0, end).join(""))
    },
    catch: (cause) =>
      new TokenizerMismatch({ message: `The tokenizer cannot encode a text: ${String(cause)}` })
  })

/** Text of ids, for a vocabulary of so many entries: by the library unless `decode` is given. */
const decodeWith =
  (
    library: Library,
    vocabularySize: number,
    decode?: (ids: ReadonlyArray<number>) => string
  ): Tokenizer["decode"] =>
  (ids) => {
    const list = [...ids]
    const invalid = list.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize)
    if (invalid === undefined && decode !== undefined) return Effect.succeed(decode(list))
    return invalid === undefined
      ? Effect.tryPromise({
          try: () => library.decode(list, false),
          catch: (cause) =>
            new TokenizerMismatch({ message: `The tokenizer cannot decode: ${String(cause)}` })
        })
      : Effect.fail(
          new TokenizerMismatch({
            message: `Token ${invalid} is not in this tokenizer's vocabulary, whose ids are 0 to ${vocabularySize - 1}: the tokens come from another tokenizer.`
          })
        )
  }

const encodingBatches = (encoding: Encoding.Encoding, library: Library): Tokenizer["encodeBatch"] => {
  const encode = Encoding.open(encoding, library)
  return (texts) =>
    Effect.tryPromise({
      try: () => encode(texts),
      catch: (cause) =>
        new TokenizerMismatch({ message: `The tokenizer cannot encode a text: ${String(cause)}` })
    })
}

/** An object's own entries that are whole numbers: token and id. */
const vocabularyOf = (vocab: unknown): ReadonlyArray<readonly [string, number]> =>
  Predicate.isObject(vocab)
    ? Object.entries(vocab).filter((entry): entry is [string, number] => Number.isSafeInteger(entry[1]))
    : []

/** The end token that a folder's `tokenizer_config.json` names; Trainyard's own where it names none. */
const endTokenIn = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const text = yield* fs.readFileString(path.join(directory, "tokenizer_config.json")).pipe(Effect.option)
  const config = Option.flatMap(text, (found) => Schema.decodeOption(Config)(found))
  const named = Option.getOrUndefined(config)?.eos_token
  return typeof named === "string" ? named : (named?.content ?? ownEndToken)
})

/** Loads the tokenizer of a folder: `tokenizer.json`, and `tokenizer_config.json` where there is one. */
export const load = Effect.fn("Tokenizer.load")(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(directory, "tokenizer.json")
  const invalid = (why: string) => new InvalidTokenizer({ file, message: `${file} ${why}` })
  const text = yield* fs
    .readFileString(file)
    .pipe(
      Effect.mapError((error) =>
        invalid(
          error.reason._tag === "NotFound"
            ? "does not exist. Give the folder of a tokenizer, a dataset or a model."
            : `cannot be read: ${error.message}`
        )
      )
    )
  const parsed = yield* Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: () => invalid("is not JSON: it is damaged or cut off. Make or copy it again.")
  })
  const json = yield* Schema.decodeUnknownEffect(TokenizerJson)(parsed).pipe(
    Effect.mapError(() =>
      invalid("is JSON, but not a tokenizer of Hugging Face's tokenizers library. Make or copy it again.")
    )
  )
  const vocabulary = vocabularyOf(json.model.vocab)
  if (vocabulary.length === 0) return yield* invalid("has no vocabulary of tokens with their ids.")
  const idOf = new Map(vocabulary)
  const added = json.added_tokens ?? []
  const isOutside = added.map((token) => idOf.get(token.content) !== token.id)
  const addedOutside = isOutside.includes(true)
  // Special tokens in a text are text: the library must not know them when it encodes. Those that only the list of added tokens has
  // must stay, with all that the file says of them.
  const written: unknown = Predicate.hasProperty(parsed, "added_tokens") ? parsed.added_tokens : []
  const plain = JSON.stringify({
    ...(parsed as object),
    added_tokens: Array.isArray(written) ? written.filter((_, index) => isOutside[index]) : [],
    truncation: null,
    padding: null
  })
  const library = yield* Effect.try({
    try: () => Library.fromString(plain),
    catch: (cause) => {
      // The library repeats the value that it refuses, however long it is.
      const why = (cause instanceof Error ? cause.message : String(cause)).replaceAll(/\s+/g, " ")
      return invalid(
        `is refused by the tokenizers library (${why.length > 200 ? `${why.slice(0, 199)}…` : why}).`
      )
    }
  })

  const endToken = yield* endTokenIn(directory)
  const ids = new Map([...vocabulary, ...added.map((token) => [token.content, token.id] as const)])
  const endTokenId = ids.get(endToken)
  if (endTokenId === undefined) {
    return yield* invalid(
      `has no token ${endToken} to end a document with. Name one of its tokens as eos_token in tokenizer_config.json.`
    )
  }
  const vocabularySize = [...ids.values()].reduce((largest, id) => Math.max(largest, id), 0) + 1
  const unknown = json.model.unk_token
  const words = wordsOf(json, addedOutside)
  const encoding: Encoding.Encoding = {
    json: plain,
    words: words?.words,
    model: words === undefined ? undefined : wordModelOf(parsed)
  }
  const encodeBatch = encodingBatches(encoding, library)
  const bytes = byteLevelBytes(vocabulary, added)
  const tokenizer: Tokenizer = {
    model: words?.model ?? "other",
    vocabularySize,
    endToken,
    endTokenId,
    digest: digestOf(parsed as object, endTokenId),
    unknownTokenId: typeof unknown === "string" ? (ids.get(unknown) ?? null) : null,
    encoding,
    encodeBatch,
    encode: (text) => Effect.map(encodeBatch([text]), (all) => all[0]!),
    bytesOf: isByteLevel(json)
      ? (_, ids) => Effect.succeed(ids.reduce((sum, id) => sum + (bytes.get(id) ?? 0), 0))
      : (text, ids) => bytesByOffset(library, text, ids.length),
    tokenBytes: isByteLevel(json)
      ? bytesOfTokens(vocabulary, new Set([endTokenId, ...added.map(({ id }) => id)]), vocabularySize)
      : undefined,
    decode: decodeWith(library, vocabularySize, isByteLevel(json) ? byteLevelDecoder(ids) : undefined)
  }
  return tokenizer
})

/**
 * Loads the tokenizer of a folder and compares it with the digest by which the rest of the folder knows it. Fails with
 * `TokenizerMismatch` when it is another one.
 */
export const loadExact = Effect.fn("Tokenizer.loadExact")(function* (directory: string, digest: string) {
  const tokenizer = yield* load(directory)
  if (tokenizer.digest === digest) return tokenizer
  return yield* new TokenizerMismatch({
    message: `The tokenizer in ${directory} (${tokenizer.digest.slice(0, 12)}) is not the one that what lies beside it was made with (${digest.slice(0, 12)}): the files were exchanged or changed. Put the right tokenizer.json and tokenizer_config.json back, or make the folder again.`
  })
})
