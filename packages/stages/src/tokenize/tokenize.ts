/** The tokenize stage: trains a tokenizer on the training split and saves it as Hugging Face's tokenizer.json. */
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, FileSystem, Path, Schema } from "effect"
import { bytes, count, plural } from "../figures.ts"
import { Split } from "../split/Split.ts"
import * as SplitReader from "../split/SplitReader.ts"
import { defaultVocabularySize } from "./defaultVocabularySize.ts"
import * as LearnedDocuments from "./LearnedDocuments.ts"
import { chooseWords, countWords, learnBytePairs } from "./learn.ts"
import { bytePairSplitting, bytePairWords, lexerWords } from "./splitting.ts"
import * as Tokenizer from "./Tokenizer.ts"
import { TokenizerArtifact } from "./TokenizerArtifact.ts"
import { InvalidTokenizer } from "./TokenizerError.ts"
import { bytePairJson, configJson, endToken, specialTokens, wordLevelJson } from "./tokenizerJson.ts"

const positive = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

const ModelShape = Schema.Struct({
  /** Width of the model. */
  embedding: positive,
  /** Transformer layers. */
  layers: positive
})

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
   * @defaultValue 2,000 for 1 MB of training text, growing with its square root; less with `forModel`
   * @unit entries
   */
  vocabularySize: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 3, maximum: 2 ** 24 }))),
  /**
   * The shape of the model that the vocabulary is for, such as `Gpt.small`; its `embedding` and `layers` count. The default size is then at
   * most what suits such a model: about 900 entries at 1 M parameters, 3,000 at 10 M. Refused beside `vocabularySize`, where it has no effect.
   * @defaultValue the training text alone decides
   */
  forModel: Schema.optionalKey(
    // A model's shape has more: `forModel: Gpt.small`.
    Schema.StructWithRest(ModelShape, [Schema.Record(Schema.String, Schema.Unknown)])
  ),
  /**
   * Pairs or words that occur less often do not become entries.
   * @unit occurrences
   */
  minimumFrequency: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(2))),
  /**
   * Words that occur in fewer documents become no entries, and the pieces that only they have do not either: names of a single file take no
   * room in the vocabulary.
   * @unit documents
   */
  minimumDocuments: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  /**
   * The same for origins, such as repositories and packages: names of a single project take no room in the vocabulary.
   * @unit origins
   */
  minimumOrigins: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  /**
   * With `byte-pair`, a run of white space with a line break is one word, the indentation of the next line included. Off, words are GPT-2's,
   * which leave the last space to the word that follows.
   */
  wholeIndentation: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))),
  /** With `byte-pair`, each digit is a word, so that numbers are read digit by digit. */
  singleDigits: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))),
  /**
   * With `byte-pair`, adds the special tokens `fim_prefix`, `fim_suffix` and `fim_middle`, which no text becomes: for models that fill in the
   * middle, with `fillInTheMiddle` of `train`. They count among `vocabularySize`.
   */
  fillInTheMiddle: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false)))
}

type Config = Schema.Struct<typeof config>["Type"]

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

/** Why settings contradict each other, in a sentence; undefined where they do not. */
const validateConfig = (config: Config): string | undefined => {
  if (config.forModel !== undefined && config.vocabularySize !== undefined)
    return "vocabularySize and forModel both give the size of the vocabulary. Leave one out."
  if (config.model === "byte-pair") return undefined
  if (config.fillInTheMiddle)
    return 'fillInTheMiddle needs a byte-pair tokenizer, which encodes the parts of a word that is cut. Leave it out, or set model to "byte-pair".'
  const { singleDigits, wholeIndentation } = config
  return singleDigits || wholeIndentation
    ? `${singleDigits ? "singleDigits" : "wholeIndentation"} has no effect on word-level tokenizers, which have a rule of their own. Leave it out, or set model to "byte-pair".`
    : undefined
}

/**
 * Trains a tokenizer on the training split: no validation or test document shapes the vocabulary, which would flatter every figure, that
 * of a large vocabulary most.
 *
 * Fails with `ImpossibleVocabulary` (which names the largest possible size), `DamagedCorpus`, `ThreadFailed`, or `WorkspaceError` when the disk refuses.
 */
export const tokenize = Stage.make({
  name: "tokenize",
  version: 2,
  source: import.meta.url,
  inputs: { split: Split },
  config,
  validateConfig,
  output: TokenizerArtifact,
  run: Effect.fn("tokenize")(function* ({ config, inputs, output }) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const journal = yield* Journal
    const { train: corpus } = yield* SplitReader.open(inputs.split)
    const isBytePair = config.model === "byte-pair"
    const splitting = bytePairSplitting(config)
    const words = yield* countWords(
      corpus,
      isBytePair ? (splitting?.words ?? bytePairWords) : lexerWords,
      config
    )
    const specials = specialTokens(config.fillInTheMiddle).length
    const wanted = {
      specials,
      size: config.vocabularySize ?? defaultVocabularySize(corpus.bytes, config.forModel),
      orSmaller: config.vocabularySize === undefined,
      minimumFrequency: config.minimumFrequency,
      minimumDocuments: config.minimumDocuments,
      minimumOrigins: config.minimumOrigins
    }
    const vocabulary = yield* isBytePair ? learnBytePairs(words, wanted) : chooseWords(words, wanted)
    const vocabularySize = vocabulary.tokens.length + (isBytePair ? specials : 2)
    const json = isBytePair
      ? bytePairJson(vocabulary.tokens, vocabulary.merges, splitting?.pattern, config.fillInTheMiddle)
      : wordLevelJson(vocabulary.tokens)
    yield* fs
      .writeFileString(path.join(output, "tokenizer.json"), `${JSON.stringify(json)}\n`)
      .pipe(
        Effect.andThen(
          fs.writeFileString(
            path.join(output, "tokenizer_config.json"),
            `${JSON.stringify(configJson(!isBytePair, config.fillInTheMiddle), null, 2)}\n`
          )
        ),
        Effect.mapError(Workspace.explain("Writing the tokenizer", output))
      )
    yield* LearnedDocuments.write(output, corpus)
    const { digest } = yield* prove(output, yield* corpus.text(0))

    const value = {
      digest,
      model: config.model,
      vocabularySize,
      endToken,
      endTokenId: isBytePair ? vocabulary.tokens.length : 1,
      unknownTokenId: isBytePair ? null : 0,
      bytesPerToken: (corpus.bytes - words.forgottenBytes) / vocabulary.totalTokens,
      unknownRate: vocabulary.unknownTokens / vocabulary.totalTokens,
      // The end token is used too: it follows every document.
      vocabularyUse: (vocabulary.usedTokens + 1) / vocabularySize
    }
    yield* journal.publish({
      type: "Facts",
      facts: [
        { label: "learned from", text: `${plural(corpus.documents, "document")}, ${bytes(corpus.bytes)}` },
        { label: "tokens", text: `${count(vocabulary.totalTokens)} in the training split` },
        ...(words.forgottenBytes === 0
          ? []
          : [
              {
                label: "rare words left out",
                text: `${bytes(words.forgottenBytes)} of the text, so that the others fit into memory`
              }
            ])
      ]
    })
    return value
  }, Effect.scoped)
})
