/** Reads a folder's tokenizer.json for encoding prompts and decoding completions. */
import { join } from "node:path"
import { Effect, FileSystem, Schema } from "effect"
import { Tokenizer } from "tokenizers"
import type { Codec } from "./Completion.ts"

/** tokenizer.json is missing, damaged, or cannot do what was asked of it. */
export class TokenizerUnreadable extends Schema.TaggedError<TokenizerUnreadable>()("TokenizerUnreadable", {
  file: Schema.String,
  why: Schema.String
}) {
  override get message() {
    return `${this.file} cannot be used as a tokenizer: ${this.why}. Take the tokenizer.json that was made with this model or dataset.`
  }
}

export interface LoadedCodec extends Codec<TokenizerUnreadable> {
  /** Entries, added tokens included. */
  readonly vocabularySize: number
  /** Id of a token, undefined when the vocabulary lacks it. */
  readonly idOf: (token: string) => number | undefined
}

const reason = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** Loads `tokenizer.json` from a folder. */
export const loadCodec = Effect.fn("loadCodec")(function* (directory: string) {
  const file = join(directory, "tokenizer.json")
  const fs = yield* FileSystem.FileSystem
  const unreadable = (why: string) => new TokenizerUnreadable({ file, why })
  const json = yield* fs
    .readFileString(file)
    .pipe(
      Effect.mapError((error) =>
        unreadable(
          error.reason._tag === "NotFound" ? "it is not there" : `it cannot be read (${error.reason._tag})`
        )
      )
    )
  const tokenizer = yield* Effect.try({
    try: () => Tokenizer.fromString(json),
    catch: (cause) => unreadable(reason(cause))
  })
  return {
    vocabularySize: tokenizer.getVocabSize(true),
    idOf: (token) => tokenizer.tokenToId(token) ?? undefined,
    encode: (text) =>
      Effect.tryPromise({
        try: async () => (await tokenizer.encode(text, null, { addSpecialTokens: false })).getIds(),
        catch: (cause) => unreadable(reason(cause))
      }),
    decode: (ids) =>
      Effect.tryPromise({
        try: () => tokenizer.decode([...ids], false),
        catch: (cause) => unreadable(reason(cause))
      })
  } satisfies LoadedCodec as LoadedCodec
})
