/** The tokenize stage: learns a tokenizer from a corpus and saves it as Hugging Face's tokenizer.json. */
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, FileSystem, Path, Schema } from "effect"
import { Corpus } from "../collect/Corpus.ts"
import * as CorpusReader from "../collect/CorpusReader.ts"
import { chooseWords, countWords, learnBytePairs } from "./learn.ts"
import { bytePairWords, lexerWords } from "./splitting.ts"
import * as Tokenizer from "./Tokenizer.ts"
import { TokenizerArtifact } from "./TokenizerArtifact.ts"
import { InvalidTokenizer } from "./TokenizerError.ts"
import { bytePairJson, configJson, endToken, wordLevelJson } from "./tokenizerJson.ts"

const config = {
  /**
   * `byte-pair` learns pieces of words and can encode any text. `word-level` learns the most frequent words and signs and encodes
   * everything else as an unknown token.
   */
  model: Schema.Literals(["byte-pair", "word-level"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("byte-pair" as const))
  ),
  /**
   * Size of the vocabulary, including special tokens.
   * @unit entries
   */
  vocabularySize: Schema.Int.check(Schema.isBetween({ minimum: 3, maximum: 2 ** 24 })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(4096))
  ),
  /**
   * Pairs or words that occur less often do not become entries.
   * @unit occurrences
   */
  minimumFrequency: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(2))
  )
}

const share = (value: number): string => `${(100 * value).toFixed(value > 0 && value < 0.01 ? 3 : 1)} %`

/** Proves that the library reads what was written and that a document comes back whole. */
const prove = Effect.fnUntraced(function* (directory: string, text: string) {
  const tokenizer = yield* Tokenizer.load(directory)
  const back = yield* tokenizer.decode(yield* tokenizer.encode(text))
  if (tokenizer.unknownTokenId === null && back !== text) {
    return yield* new InvalidTokenizer({
      file: directory,
      message: `The tokenizer in ${directory} does not give back the text it encoded: its vocabulary is inconsistent.`
    })
  }
  return tokenizer
})

/**
 * Learns a tokenizer from a corpus.
 *
 * Fails with `ImpossibleVocabulary` (which names the largest possible size), `DamagedCorpus`, or `WorkspaceError` when the disk refuses.
 */
export const tokenize = Stage.make({
  name: "tokenize",
  version: 1,
  source: import.meta.url,
  inputs: { corpus: Corpus },
  config,
  output: TokenizerArtifact,
  run: Effect.fn("tokenize")(function* ({ config, inputs, output }) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const journal = yield* Journal
    const corpus = yield* CorpusReader.open(inputs.corpus.directory)
    const isBytePair = config.model === "byte-pair"
    const words = yield* countWords(corpus, isBytePair ? bytePairWords : lexerWords)
    const { minimumFrequency, vocabularySize } = config
    const vocabulary = yield* isBytePair
      ? learnBytePairs(words, vocabularySize, minimumFrequency)
      : chooseWords(words, vocabularySize, minimumFrequency)
    const json = isBytePair
      ? bytePairJson(vocabulary.tokens, vocabulary.merges)
      : wordLevelJson(vocabulary.tokens)
    yield* fs
      .writeFileString(path.join(output, "tokenizer.json"), `${JSON.stringify(json)}\n`)
      .pipe(
        Effect.andThen(
          fs.writeFileString(
            path.join(output, "tokenizer_config.json"),
            `${JSON.stringify(configJson(!isBytePair), null, 2)}\n`
          )
        ),
        Effect.mapError(Workspace.explain("Writing the tokenizer", output))
      )
    const { digest } = yield* prove(output, yield* corpus.text(0))

    const value = {
      digest,
      model: config.model,
      vocabularySize,
      endToken,
      endTokenId: isBytePair ? vocabularySize - 1 : 1,
      unknownTokenId: isBytePair ? null : 0,
      bytesPerToken: corpus.bytes / vocabulary.totalTokens,
      unknownRate: vocabulary.unknownTokens / vocabulary.totalTokens,
      // The end token is used too: it follows every document.
      vocabularyUse: (vocabulary.usedTokens + 1) / vocabularySize
    }
    yield* journal.publish({
      type: "Facts",
      facts: [
        {
          label: "vocabulary",
          text: `${vocabularySize.toLocaleString("en")} entries, ${config.model}, ${share(value.vocabularyUse)} used by the corpus`
        },
        { label: "tokens", text: `${vocabulary.totalTokens.toLocaleString("en")} in the corpus` },
        { label: "bytes per token", text: value.bytesPerToken.toFixed(2) },
        { label: "unknown tokens", text: share(value.unknownRate) }
      ]
    })
    return value
  }, Effect.scoped)
})
