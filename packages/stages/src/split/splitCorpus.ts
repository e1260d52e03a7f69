/** The split stage: divides a corpus, by document, into training, validation and test. */
import { createHash } from "node:crypto"
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, Path, Schema } from "effect"
import { Corpus } from "../collect/Corpus.ts"
import * as CorpusReader from "../collect/CorpusReader.ts"
import * as Spool from "../collect/Spool.ts"
import * as Pool from "../threads/Pool.ts"
import { assignClusters } from "./assign.ts"
import { excerpt } from "./excerpt.ts"
import { groupsOf } from "./groups.ts"
import { Split, type SplitDocument, type SplitName, type Subset } from "./Split.ts"
import { ImpossibleSplit } from "./SplitError.ts"

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
   * Keeps only so much of the training split, in whole documents: those that come first in the drawn order and fit together, at least one.
   * @defaultValue no limit
   * @unit bytes
   */
  maximumTrainingBytes: Schema.optionalKey(positive),
  /**
   * Keeps only so much of the validation split, in whole documents or parts of them, at least one.
   * @defaultValue no limit
   * @unit bytes
   */
  maximumValidationBytes: Schema.optionalKey(positive),
  /**
   * Keeps only so much of the test split, in whole documents, at least one.
   * @defaultValue no limit
   * @unit bytes
   */
  maximumTestBytes: Schema.optionalKey(positive),
  /**
   * A longer validation document is cut to one part of about this size, in whole lines, at a place that the seed draws: so many documents cost
   * little to evaluate. `null` keeps all of each.
   * @unit bytes
   */
  validationDocumentBytes: Schema.NullOr(Schema.Int.check(Schema.isGreaterThanOrEqualTo(64))).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(8_192))
  ),
  /**
   * Documents that stay in one split. `clusters`: near-duplicates, where `refine` found any. `folders`: also those of one folder. `origins`: also
   * those of one repository, package or other source, so that the test is of code from elsewhere. `nothing`: each document is drawn by itself, so that
   * near-duplicates can be in training and in the test.
   */
  keepTogether: Schema.Literals(["clusters", "folders", "origins", "nothing"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("clusters" as const))
  ),
  /** Draws the documents of each split, their order, and the parts of validation documents. */
  seed: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1)))
}

/** Progress is published after so many bytes. */
const reportBytes = 1 << 19

interface Writing {
  readonly split: SplitName
  /** Numbers of documents of the corpus. */
  readonly order: Uint32Array
  /** Bytes of the subset, and of each document in it. */
  readonly limit: number
  readonly documentLimit: number
  readonly seed: number
}

/** Writes subsets one after the other: of each its documents in their order, until the next does not fit. */
const writer = Effect.fnUntraced(function* (corpus: CorpusReader.CorpusReader, output: string) {
  const path = yield* Path.Path
  const journal = yield* Journal
  const onDisk = Effect.mapError(Workspace.explain("Writing the split", output))
  const text = yield* Spool.writer(path.join(output, "text.bin")).pipe(onDisk)
  const list = yield* Spool.writer(path.join(output, "documents.jsonl")).pipe(onDisk)
  const encoder = new TextEncoder()
  let documents = 0
  let bytes = 0
  let reported = 0
  const write = Effect.fnUntraced(function* (writing: Writing) {
    const { documentLimit, limit, order, seed, split } = writing
    const hash = createHash("sha256")
    const subset = { documents: 0, partial: 0, bytes: 0 }
    for (const corpusId of order) {
      const size = Math.min(corpus.lengths[corpusId]!, documentLimit)
      // A part may be shorter than its limit; that it might have fitted is not worth reading every document for.
      if (subset.documents > 0 && subset.bytes + size > limit) break
      const document = yield* corpus.document(corpusId)
      const whole = yield* corpus.content(corpusId)
      const { from, to } = excerpt(whole, documentLimit, seed, document.digest)
      const kept = whole.subarray(from, to)
      const isWhole = kept.length === whole.length
      const line: SplitDocument = {
        ...document,
        id: documents++,
        corpusId,
        split,
        offset: bytes,
        bytes: kept.length,
        ...(!isWhole && {
          digest: createHash("sha256").update(kept).digest("hex"),
          part: { from, of: whole.length, digest: document.digest }
        })
      }
      yield* text.append(kept).pipe(onDisk)
      yield* list.append(encoder.encode(`${JSON.stringify(line)}\n`)).pipe(onDisk)
      hash.update(line.digest)
      bytes += kept.length
      subset.documents++
      subset.bytes += kept.length
      if (!isWhole) subset.partial++
      if (bytes - reported < reportBytes) continue
      reported = bytes
      yield* journal.publish({ type: "Progress", done: bytes, total: corpus.bytes, unit: "bytes" })
    }
    const made: Subset = { ...subset, digest: hash.digest("hex") }
    return made
  })
  return { write, flush: Effect.andThen(text.flush, list.flush).pipe(onDisk) }
})

/** What the subsets leave of the corpus: documents beyond the limits. */
const leftOutOf = (
  corpus: CorpusReader.CorpusReader,
  orders: ReadonlyArray<readonly [order: Uint32Array, written: number]>
) => {
  let documents = 0
  let bytes = 0
  for (const [order, written] of orders) {
    documents += order.length - written
    for (const id of order.subarray(written)) bytes += corpus.lengths[id]!
  }
  return { documents, bytes }
}

/**
 * Splits a corpus into training, validation and test documents. Which documents go where is a function of the seed, the documents' sizes and
 * the clusters of near-duplicates that `refine` found: no limit and no tokenizer changes it.
 *
 * Fails with `ImpossibleSplit` (one document for two splits), `DamagedCorpus`, or `WorkspaceError` when the disk refuses.
 *
 * @example
 * ```ts
 * const split = splitCorpus({ corpus, testShare: 0.2 })
 * const tokenizer = tokenize({ split })
 * const dataset = buildDataset({ split, tokenizer })
 * ```
 */
export const splitCorpus = Stage.make({
  name: "split",
  version: 1,
  source: import.meta.url,
  inputs: { corpus: Corpus },
  config,
  validateConfig: ({ testShare, validationShare }) =>
    testShare + validationShare <= 0.95
      ? undefined
      : `validationShare ${validationShare} and testShare ${testShare} leave too little to learn from: together they may be 0.95. Lower one; testShare 0 makes no test split.`,
  output: Split,
  run: Effect.fn("splitCorpus")(function* ({ config, inputs, output }) {
    const journal = yield* Journal
    const corpus = yield* CorpusReader.open(inputs.corpus.directory)
    yield* Pool.freeGarbage(corpus.bytes)
    if (corpus.documents < 2) {
      return yield* new ImpossibleSplit({
        message:
          "The corpus has one document, and training and validation never share one. Collect at least two: cut the file in parts, or add another."
      })
    }
    const { seed } = config
    const assignment = assignClusters(
      corpus.lengths,
      yield* groupsOf(corpus, config.keepTogether),
      { validation: config.validationShare, test: config.testShare },
      seed
    )
    if (assignment === undefined) {
      return yield* new ImpossibleSplit({
        message:
          config.keepTogether === "clusters"
            ? `All ${corpus.documents} documents of the corpus are near-duplicates of each other, and training and validation never share such. Collect other documents, or set keepTogether to "nothing".`
            : `All ${corpus.documents} documents of the corpus belong together by keepTogether "${config.keepTogether}", so there is nothing to split. Collect from more ${config.keepTogether}, or set keepTogether to "clusters".`
      })
    }
    const { test, train, validation } = assignment
    if (test.length === 0 && config.testShare > 0) {
      yield* journal.publish({
        type: "Note",
        level: "warning",
        message: `The corpus of ${corpus.documents} documents is too small for a test split of ${config.testShare} of its bytes, so the model will be evaluated on the validation split, by which training also chooses its best state. Collect more documents, raise testShare, or set testShare to 0 to silence this warning.`
      })
    }
    const none = Number.POSITIVE_INFINITY
    const { flush, write } = yield* writer(corpus, output)
    const whole = { documentLimit: none, seed }
    const trained = yield* write({
      ...whole,
      split: "train",
      order: train,
      limit: config.maximumTrainingBytes ?? none
    })
    const validated = yield* write({
      split: "validation",
      order: validation,
      limit: config.maximumValidationBytes ?? none,
      documentLimit: config.validationDocumentBytes ?? none,
      seed
    })
    const tested =
      test.length === 0
        ? undefined
        : yield* write({ ...whole, split: "test", order: test, limit: config.maximumTestBytes ?? none })
    yield* flush
    const value = {
      seed,
      train: trained,
      validation: validated,
      ...(tested && { test: tested }),
      leftOut: leftOutOf(corpus, [
        [train, trained.documents],
        [validation, validated.documents],
        [test, tested?.documents ?? 0]
      ])
    }
    const done = trained.bytes + validated.bytes + (tested?.bytes ?? 0)
    // With limits less is written than the corpus holds.
    yield* journal.publish({ type: "Progress", done, total: done, unit: "bytes" })
    return value
  }, Effect.scoped)
})
