/** The dataset stage: encodes a corpus and splits it, by document, into training, validation and test tokens. */
import { createHash } from "node:crypto"
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import * as Workspace from "@trainyard/core/Workspace"
import { ByteSize, Effect, FileSystem, Path, Schema } from "effect"
import { Corpus } from "../collect/Corpus.ts"
import * as CorpusReader from "../collect/CorpusReader.ts"
import * as Spool from "../collect/Spool.ts"
import * as Tokenizer from "../tokenize/Tokenizer.ts"
import { TokenizerArtifact } from "../tokenize/TokenizerArtifact.ts"
import { assign } from "./assign.ts"
import { Dataset, type Placed, type Split } from "./Dataset.ts"
import { ImpossibleSplit } from "./DatasetError.ts"

const positive = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

const config = {
  /** Share of the corpus's bytes in the validation split, in whole documents. */
  validationShare: Schema.Finite.check(Schema.isBetween({ minimum: 0.0001, maximum: 0.9 })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(0.1))
  ),
  /** Share of the corpus's bytes in the test split, in whole documents. 0 makes no test split. */
  testShare: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 0.9 })).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(0.1))
  ),
  /**
   * Cuts the training split after this many tokens.
   * @defaultValue no limit
   * @unit tokens
   */
  maximumTokens: Schema.optionalKey(positive),
  /**
   * Cuts the validation split after this many tokens.
   * @defaultValue no limit
   * @unit tokens
   */
  maximumValidationTokens: Schema.optionalKey(positive),
  /**
   * Cuts the test split after this many tokens.
   * @defaultValue no limit
   * @unit tokens
   */
  maximumTestTokens: Schema.optionalKey(positive),
  /** Draws the documents of each split and the order of the documents. */
  seed: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1)))
}

/** Text that is encoded at once: large enough to keep the encoder busy, small enough to forget. */
const batchBytes = 1 << 19

interface Writing {
  readonly split: Split
  readonly order: Uint32Array
  readonly limit: number
  readonly tokenBytes: 2 | 4
  readonly progress: (bytes: number) => Effect.Effect<void>
}

/** Encodes the documents of one split in their order, batch by batch, until the limit is reached. */
const writeSplit = Effect.fn("dataset.writeSplit")(function* (
  corpus: CorpusReader.CorpusReader,
  tokenizer: Tokenizer.Tokenizer,
  output: string,
  list: Effect.Success<ReturnType<typeof Spool.writer>>,
  { limit, order, progress, split, tokenBytes }: Writing
) {
  const path = yield* Path.Path
  const onDisk = Effect.mapError(Workspace.explain("Writing the dataset", output))
  const file = yield* Spool.writer(path.join(output, `${split}.bin`)).pipe(onDisk)
  const encoder = new TextEncoder()
  const counts = { documents: 0, tokens: 0, bytes: 0 }
  const hash = createHash("sha256")
  let next = 0
  while (next < order.length && counts.tokens < limit) {
    const ids: Array<number> = []
    const texts: Array<string> = []
    let batch = 0
    while (next < order.length && (batch === 0 || batch + corpus.lengths[order[next]!]! <= batchBytes)) {
      const id = order[next++]!
      ids.push(id)
      texts.push(yield* corpus.text(id))
      batch += corpus.lengths[id]!
    }
    const encoded = yield* tokenizer.encodeBatch(texts)
    for (const [index, id] of ids.entries()) {
      const room = limit - counts.tokens
      if (room <= 0) break
      const whole = encoded[index]!
      const length = Math.min(whole.length + 1, room)
      const tokens = tokenBytes === 2 ? new Uint16Array(length) : new Uint32Array(length)
      tokens.set(whole.subarray(0, length))
      if (length > whole.length) tokens[whole.length] = tokenizer.endTokenId
      const document = yield* corpus.document(id)
      const placed: Placed = {
        id,
        path: document.path,
        origin: document.origin,
        kind: document.kind,
        split,
        start: counts.tokens,
        tokens: length,
        bytes:
          length >= whole.length
            ? document.bytes
            : yield* tokenizer.bytesOf(texts[index]!, whole.subarray(0, length))
      }
      const bytes = new Uint8Array(tokens.buffer)
      hash.update(bytes)
      yield* file.append(bytes).pipe(onDisk)
      yield* list.append(encoder.encode(`${JSON.stringify(placed)}\n`)).pipe(onDisk)
      counts.documents++
      counts.tokens += length
      counts.bytes += placed.bytes
    }
    yield* progress(batch)
  }
  yield* file.flush.pipe(onDisk)
  return { counts: { ...counts, digest: hash.digest("hex") }, leftOut: order.length - counts.documents }
})

const describe = (counts: { documents: number; tokens: number; bytes: number }): string =>
  `${counts.tokens.toLocaleString("en")} tokens of ${counts.documents.toLocaleString("en")} document${counts.documents === 1 ? "" : "s"}, ${ByteSize.format(ByteSize.bytes(counts.bytes), { system: "decimal", precision: 1 })}`

/**
 * Builds a dataset from a corpus and a tokenizer.
 *
 * Fails with `ImpossibleSplit` (one document for two splits, or a split with less than two tokens),
 * `DamagedCorpus`, `InvalidTokenizer`, `TokenizerMismatch` (the tokenizer's files are not those that it was made with), or `WorkspaceError` when the disk refuses.
 */
export const buildDataset = Stage.make({
  name: "dataset",
  version: 2,
  source: import.meta.url,
  inputs: { corpus: Corpus, tokenizer: TokenizerArtifact },
  config,
  validateConfig: ({ testShare, validationShare }) =>
    testShare + validationShare <= 0.95
      ? undefined
      : `validationShare ${validationShare} and testShare ${testShare} leave too little to learn from: together they may be 0.95. Lower one; testShare 0 sets no test split apart.`,
  output: Dataset,
  run: Effect.fn("buildDataset")(function* ({ config, inputs, output }) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const journal = yield* Journal
    const onDisk = Effect.mapError(Workspace.explain("Writing the dataset", output))
    const corpus = yield* CorpusReader.open(inputs.corpus.directory)
    const tokenizer = yield* Tokenizer.loadExact(inputs.tokenizer.directory, inputs.tokenizer.value.digest)
    if (corpus.documents < 2) {
      return yield* new ImpossibleSplit({
        message:
          "The corpus has one document, and training and validation never share one. Collect at least two: cut the file in parts, or add another."
      })
    }
    const { test, train, validation } = assign(
      corpus.lengths,
      { validation: config.validationShare, test: config.testShare },
      config.seed
    )
    if (test.length === 0 && config.testShare > 0) {
      yield* journal.publish({
        type: "Note",
        level: "warning",
        message: `The corpus of ${corpus.documents} documents is too small for a test split of ${config.testShare} of its bytes, so the model will be judged on the validation split, by which training chooses too. Collect more documents, raise testShare, or set it to 0 to be told nothing.`
      })
    }
    const list = yield* Spool.writer(path.join(output, "documents.jsonl")).pipe(onDisk)
    let done = 0
    const progress = (bytes: number) => {
      done += bytes
      return journal.publish({ type: "Progress", done, total: corpus.bytes, unit: "bytes" })
    }
    const tokenBytes = tokenizer.vocabularySize <= 65_536 ? 2 : 4
    const write = (split: Split, order: Uint32Array, limit = Number.POSITIVE_INFINITY) =>
      writeSplit(corpus, tokenizer, output, list, { split, order, limit, tokenBytes, progress })
    const trained = yield* write("train", train, config.maximumTokens)
    const validated = yield* write("validation", validation, config.maximumValidationTokens)
    const tested = test.length === 0 ? undefined : yield* write("test", test, config.maximumTestTokens)
    yield* list.flush.pipe(onDisk)
    // With limits less is encoded than the corpus holds.
    yield* journal.publish({ type: "Progress", done, total: done, unit: "bytes" })

    // A prediction takes two tokens: the one that is read and the one that follows it.
    for (const [split, { counts }] of [
      ["training", trained],
      ["validation", validated]
    ] as const)
      if (counts.tokens < 2)
        return yield* new ImpossibleSplit({
          message: `The ${split} split has ${counts.tokens} tokens, and a prediction takes two. Collect more documents${split === "validation" ? ", or raise validationShare or maximumValidationTokens" : ", or raise maximumTokens"}.`
        })
    const value = {
      tokenizer: tokenizer.digest,
      vocabularySize: tokenizer.vocabularySize,
      endTokenId: tokenizer.endTokenId,
      tokenBytes,
      seed: config.seed,
      train: trained.counts,
      validation: validated.counts,
      ...(tested && { test: tested.counts })
    } as const
    const leftOut = trained.leftOut + validated.leftOut + (tested?.leftOut ?? 0)
    for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
      yield* fs.copyFile(path.join(inputs.tokenizer.directory, name), path.join(output, name)).pipe(onDisk)
    }
    yield* fs
      .writeFileString(path.join(output, "dataset.json"), `${JSON.stringify(value, null, 2)}\n`)
      .pipe(onDisk)
    yield* journal.publish({
      type: "Facts",
      facts: [
        { label: "training", text: describe(value.train) },
        { label: "validation", text: describe(value.validation) },
        { label: "test", text: tested === undefined ? "none" : describe(tested.counts) },
        ...(leftOut === 0
          ? []
          : [
              {
                label: "left out",
                text: `${leftOut.toLocaleString("en")} documents, beyond maximumTokens, maximumValidationTokens or maximumTestTokens`
              }
            ])
      ]
    })
    return value
  }, Effect.scoped)
})
