/** The dataset stage: encodes the documents of a split as training, validation and test tokens. */
import { createHash } from "node:crypto"
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, FileSystem, Path, Schema, Stream } from "effect"
import { DigestSet } from "../collect/DigestSet.ts"
import * as Spool from "../collect/Spool.ts"
import * as TextRange from "../collect/TextRange.ts"
import { plural } from "../figures.ts"
import { Split, type SplitDocument, type SplitName } from "../split/Split.ts"
import { ImpossibleSplit } from "../split/SplitError.ts"
import * as SplitReader from "../split/SplitReader.ts"
import * as Pool from "../threads/Pool.ts"
import * as LearnedDocuments from "../tokenize/LearnedDocuments.ts"
import * as Tokenizer from "../tokenize/Tokenizer.ts"
import { TokenizerArtifact } from "../tokenize/TokenizerArtifact.ts"
import { Dataset, type Placed } from "./Dataset.ts"
import { ContaminatedTokenizer } from "./DatasetError.ts"
import { open as openEncoding, type Result } from "./encodeBatch.ts"

const config = {
  /**
   * Cuts the training split after this many tokens. How much text that is depends on the tokenizer; `maximumTrainingBytes` of `splitCorpus`
   * gives the same text to any.
   * @defaultValue no limit
   * @unit tokens
   */
  maximumTokens: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)))
}

/** Text that is encoded at once: large enough to keep the encoder busy, small enough to forget. */
const batchBytes = 1 << 19

interface Writing {
  readonly split: SplitName
  readonly subset: SplitReader.SubsetReader
  readonly limit: number
  readonly tokenBytes: 2 | 4
  readonly progress: (bytes: number) => Effect.Effect<void>
}

/** Which part of a document is in the split, where it is not all of it. */
const partOf = ({ bytes: here, part }: SplitDocument, bytes: number) => {
  const { from, of } = part ?? { from: 0, of: here }
  return bytes === of ? {} : { part: { from, of } }
}

/** Whether the text of a document is there to its end. */
const isEnded = ({ bytes, part }: SplitDocument): boolean =>
  part === undefined || part.from + bytes === part.of

/** What is held of a tokenizer while threads encode: its tables are large, and only a document that is cut needs them again. */
const openTokenizer = (directory: string, digest: string) =>
  Effect.map(Tokenizer.loadExact(directory, digest), ({ encoding, endTokenId, vocabularySize }) => ({
    encoding,
    digest,
    endTokenId,
    vocabularySize,
    bytesOf: (text: string, ids: Uint32Array) =>
      Effect.flatMap(Tokenizer.loadExact(directory, digest), ({ bytesOf }) => bytesOf(text, ids))
  }))
type Opened = Effect.Success<ReturnType<typeof openTokenizer>>

type Encoding = Pool.Pool<TextRange.TextRange, Result>

/** The batches of a subset, with what is known of their documents. */
const batchesOf = (subset: SplitReader.SubsetReader) =>
  Stream.fromIterable(TextRange.batchesOf(subset.lengths, batchBytes)).pipe(
    Stream.mapEffect((batch) =>
      Effect.map(Effect.forEach(TextRange.numbersOf(batch), subset.document), (documents) => ({
        ...batch,
        documents
      }))
    )
  )

/** Encodes the documents of one split in their order, batch by batch, until the limit is reached. */
const writeSplit = Effect.fn("dataset.writeSplit")(function* (
  tokenizer: Opened,
  encoding: Encoding,
  output: string,
  list: Effect.Success<ReturnType<typeof Spool.writer>>,
  { limit, subset, progress, split, tokenBytes }: Writing
) {
  const path = yield* Path.Path
  const onDisk = Effect.mapError(Workspace.explain("Writing the dataset", output))
  const file = yield* Spool.writer(path.join(output, `${split}.bin`)).pipe(onDisk)
  const encoder = new TextEncoder()
  const counts = { documents: 0, tokens: 0, bytes: 0, partial: 0 }
  const hash = createHash("sha256")
  /** Writes a document as far as there is room; `index` is its number in the subset. */
  const write = Effect.fnUntraced(function* (index: number, document: SplitDocument, whole: Uint32Array) {
    const room = limit - counts.tokens
    if (room <= 0) return
    const length = Math.min(whole.length + (isEnded(document) ? 1 : 0), room)
    const tokens = tokenBytes === 2 ? new Uint16Array(length) : new Uint32Array(length)
    tokens.set(whole.subarray(0, length))
    if (length > whole.length) tokens[whole.length] = tokenizer.endTokenId
    const bytes =
      length >= whole.length
        ? document.bytes
        : yield* tokenizer.bytesOf(yield* subset.text(index), whole.subarray(0, length))
    const placed: Placed = {
      id: document.corpusId,
      path: document.path,
      origin: document.origin,
      kind: document.kind,
      split,
      start: counts.tokens,
      tokens: length,
      bytes,
      ...partOf(document, bytes)
    }
    const data = new Uint8Array(tokens.buffer)
    hash.update(data)
    yield* file.append(data).pipe(onDisk)
    yield* list.append(encoder.encode(`${JSON.stringify(placed)}\n`)).pipe(onDisk)
    counts.documents++
    counts.tokens += length
    counts.bytes += bytes
    if (placed.part !== undefined) counts.partial++
  })
  yield* batchesOf(subset).pipe(
    Pool.mapBatches(encoding, ({ documents }) => ({
      offset: documents[0]!.offset,
      lengths: documents.map(({ bytes }) => bytes)
    })),
    Stream.takeWhile(() => counts.tokens < limit),
    Stream.runForEach(({ batch: { documents, first }, result: { ids, lengths } }) =>
      Effect.gen(function* () {
        let at = 0
        for (const [position, document] of documents.entries()) {
          const end = at + lengths[position]!
          yield* write(first + position, document, ids.subarray(at, end))
          at = end
        }
        yield* progress(documents.reduce((sum, { bytes }) => sum + bytes, 0))
      })
    )
  )
  yield* file.flush.pipe(onDisk)
  return { ...counts, digest: hash.digest("hex") }
})

/**
 * Fails when the tokenizer was learned from validation or test documents of the split. A text that stands in the training split too is no
 * such document: the tokenizer of this very split may know it.
 */
const checkTokenizer = Effect.fnUntraced(function* (directory: string, split: SplitReader.SplitReader) {
  const digestsIn = Effect.fnUntraced(function* (
    subset: SplitReader.SubsetReader | undefined,
    use: (digest: string) => void
  ) {
    for (let index = 0; index < (subset?.documents ?? 0); index++)
      use(LearnedDocuments.digestOf(yield* subset!.document(index)))
  })
  const heldOut = new DigestSet()
  for (const subset of [split.validation, split.test])
    yield* digestsIn(subset, (digest) => heldOut.add(digest))
  const learned = new DigestSet()
  yield* Stream.runForEach(LearnedDocuments.read(directory), (digest) =>
    Effect.sync(() => void (heldOut.has(digest) && learned.add(digest)))
  ).pipe(Effect.mapError(Workspace.explain("Reading the tokenizer", directory)))
  if (learned.size === 0) return
  const trained = new DigestSet()
  yield* digestsIn(split.train, (digest) => void (learned.has(digest) && trained.add(digest)))
  const seen = learned.size - trained.size
  if (seen === 0) return
  return yield* new ContaminatedTokenizer({
    documents: seen,
    message: `The tokenizer was learned from ${plural(seen, "document")} of this split's validation and test documents, so every figure of the model would be too good. Learn it from the same split: tokenize({ split }).`
  })
})

/** A prediction takes two tokens: the one that is read and the one that follows it. */
const checkSizes = Effect.fnUntraced(function* (train: number, validation: number) {
  for (const [split, tokens, settings] of [
    ["training", train, "maximumTokens, or maximumTrainingBytes of the split"],
    ["validation", validation, "validationShare or maximumValidationBytes of the split"]
  ] as const)
    if (tokens < 2)
      return yield* new ImpossibleSplit({
        message: `The ${split} split has ${plural(tokens, "token")}, and a prediction takes two. Collect more documents, or raise ${settings}.`
      })
})

/**
 * Builds a dataset from a split and a tokenizer.
 *
 * Fails with `ImpossibleSplit` (a split with less than two tokens), `ContaminatedTokenizer` (the tokenizer was learned from documents of the
 * validation or test split), `DamagedCorpus`, `InvalidTokenizer`, `TokenizerMismatch` (the tokenizer's files are not those that it was made
 * with), `ThreadFailed`, or `WorkspaceError` when the disk refuses.
 */
export const buildDataset = Stage.make({
  name: "dataset",
  version: 3,
  source: import.meta.url,
  inputs: { split: Split, tokenizer: TokenizerArtifact },
  config,
  output: Dataset,
  run: Effect.fn("buildDataset")(function* ({ config, inputs, output }) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const journal = yield* Journal
    const onDisk = Effect.mapError(Workspace.explain("Writing the dataset", output))
    const split = yield* SplitReader.open(inputs.split)
    yield* Pool.freeGarbage(split.all.bytes)
    const tokenizer = yield* openTokenizer(inputs.tokenizer.directory, inputs.tokenizer.value.digest)
    yield* checkTokenizer(inputs.tokenizer.directory, split)
    const encoding = yield* Pool.make({
      name: "Encoding the documents",
      worker: new URL("./encodeWorker.ts", import.meta.url),
      open: openEncoding,
      setup: { file: split.all.textFile, encoding: tokenizer.encoding },
      bytes: split.all.bytes,
      heldBytes: TextRange.heldBytes(split.all.lengths)
    })
    const list = yield* Spool.writer(path.join(output, "documents.jsonl")).pipe(onDisk)
    let done = 0
    const progress = (bytes: number) => {
      done += bytes
      return journal.publish({ type: "Progress", done, total: split.all.bytes, unit: "bytes" })
    }
    const tokenBytes = tokenizer.vocabularySize <= 65_536 ? 2 : 4
    const write = (name: SplitName, subset: SplitReader.SubsetReader, limit = Number.POSITIVE_INFINITY) =>
      Effect.map(
        writeSplit(tokenizer, encoding, output, list, { split: name, subset, limit, tokenBytes, progress }),
        (counts) => {
          const text = inputs.split.value[name]
          return counts.bytes === text?.bytes ? { ...counts, text: text.digest } : counts
        }
      )
    const train = yield* write("train", split.train, config.maximumTokens)
    const validation = yield* write("validation", split.validation)
    const test = split.test && (yield* write("test", split.test))
    yield* list.flush.pipe(onDisk)
    // With a limit less is encoded than the split holds.
    yield* journal.publish({ type: "Progress", done, total: done, unit: "bytes" })
    yield* checkSizes(train.tokens, validation.tokens)
    const value = {
      tokenizer: tokenizer.digest,
      vocabularySize: tokenizer.vocabularySize,
      endTokenId: tokenizer.endTokenId,
      tokenBytes,
      seed: inputs.split.value.seed,
      train,
      validation,
      ...(test && { test })
    } as const
    for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
      yield* fs.copyFile(path.join(inputs.tokenizer.directory, name), path.join(output, name)).pipe(onDisk)
    }
    yield* fs
      .writeFileString(path.join(output, "dataset.json"), `${JSON.stringify(value, null, 2)}\n`)
      .pipe(onDisk)
    const leftOut = split.train.documents - train.documents
    if (leftOut > 0) {
      const text = `${plural(leftOut, "document")}, beyond maximumTokens`
      yield* journal.publish({ type: "Facts", facts: [{ label: "left out", text }] })
    }
    return value
  }, Effect.scoped)
})
