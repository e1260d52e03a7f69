/** The import-tokenizer stage: takes the tokenizer of a folder that was made elsewhere, such as that of a model to train further. */
import { createHash } from "node:crypto"
import { digestFile } from "@trainyard/core/Durable"
import * as Stage from "@trainyard/core/Stage"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, FileSystem, Path, Schema } from "effect"
import * as Tokenizer from "./Tokenizer.ts"
import { TokenizerArtifact } from "./TokenizerArtifact.ts"
import { gpt2Settings } from "./tokenizerJson.ts"

/** Files of a tokenizer folder that are read. */
export const tokenizerFiles = ["tokenizer.json", "tokenizer_config.json"] as const

/** Digest of those of a folder's files that are there, for cache keys. */
export const digestOfFiles = Effect.fn("digestOfFiles")(function* (
  folder: string,
  names: ReadonlyArray<string>
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const hash = createHash("sha256")
  for (const name of names) {
    const file = path.resolve(folder, name)
    if (!(yield* fs.exists(file))) continue
    hash.update(`${name} ${(yield* digestFile(file)).sha256}\n`)
  }
  return hash.digest("hex")
})

const decodeObject = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
)

/** Copies a folder's tokenizer, with what Trainyard and transformers need beside it. `more` goes into tokenizer_config.json. */
export const copyTokenizer = Effect.fn("copyTokenizer")(function* (
  folder: string,
  output: string,
  { endToken }: Tokenizer.Tokenizer,
  more: Readonly<Record<string, unknown>> = {}
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const settings = yield* fs.readFileString(path.resolve(folder, "tokenizer_config.json")).pipe(
    Effect.flatMap((text) => decodeObject(text)),
    // Many folders have none; tokenizer.json is what counts.
    Effect.orElseSucceed((): Readonly<Record<string, unknown>> => ({}))
  )
  const config = {
    ...settings,
    tokenizer_class: "PreTrainedTokenizerFast",
    clean_up_tokenization_spaces: false,
    ...gpt2Settings(endToken),
    ...more
  }
  yield* fs
    .copyFile(path.resolve(folder, "tokenizer.json"), path.join(output, "tokenizer.json"))
    .pipe(
      Effect.andThen(
        fs.writeFileString(path.join(output, "tokenizer_config.json"), `${JSON.stringify(config, null, 2)}\n`)
      ),
      Effect.mapError(Workspace.explain("Copying the tokenizer", output))
    )
})

/**
 * Takes a tokenizer that was made elsewhere: a folder with a tokenizer.json of Hugging Face's tokenizers library.
 *
 * Fails with `InvalidTokenizer` when the folder has none that can be used, or `WorkspaceError` when the disk refuses.
 *
 * @example
 * ```ts
 * const tokenizer = importTokenizer({ folder: "models/gpt2" })
 * const dataset = buildDataset({ split, tokenizer })
 * ```
 */
export const importTokenizer = Stage.make({
  name: "import-tokenizer",
  version: 1,
  source: import.meta.url,
  inputs: {},
  config: {
    /** Folder with a `tokenizer.json`. Relative paths start at the current folder. */
    folder: Schema.NonEmptyString
  },
  output: TokenizerArtifact,
  // The digest of the files identifies the tokenizer; their path does not matter.
  excludeFromCacheKey: ["folder"],
  externalDigest: ({ folder }) => digestOfFiles(folder, tokenizerFiles),
  run: Effect.fn("importTokenizer")(function* ({ config, output }) {
    const path = yield* Path.Path
    const tokenizer = yield* Tokenizer.load(path.resolve(config.folder))
    yield* copyTokenizer(config.folder, output, tokenizer)
    const { digest } = yield* Tokenizer.load(output)
    return {
      digest,
      model: tokenizer.model,
      vocabularySize: tokenizer.vocabularySize,
      endToken: tokenizer.endToken,
      endTokenId: tokenizer.endTokenId,
      unknownTokenId: tokenizer.unknownTokenId
    }
  })
})
