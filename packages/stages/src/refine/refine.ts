/** The refine stage: drops near-duplicates and what is not worth learning from, and says what it dropped or changed, and why. */
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, Path, Stream } from "effect"
import { EmptyCorpus } from "../collect/CollectError.ts"
import { Corpus } from "../collect/Corpus.ts"
import * as CorpusReader from "../collect/CorpusReader.ts"
import { Row } from "../collect/Row.ts"
import * as TextRange from "../collect/TextRange.ts"
import * as ParsedShare from "../languages/parsedShare.ts"
import * as Pool from "../threads/Pool.ts"
import * as Edits from "./Edits.ts"
import { dropped } from "./Examination.ts"
import { open as openExamination } from "./examine.ts"
import { onceOnly } from "./headers.ts"
import * as Licences from "./licences.ts"
import * as NearDuplicates from "./NearDuplicates.ts"
import { type RefineSettings, settings } from "./settings.ts"
import * as writeRefined from "./writeRefined.ts"

const encoder = new TextEncoder()

/** Progress is published after so many bytes. */
const reportBytes = 1 << 19

/** Text that a thread examines at once. */
const batchBytes = 1 << 20

/** Publishes progress over all bytes, which are read twice. */
const progress = Effect.gen(function* () {
  const journal = yield* Journal
  let done = 0
  let reported = 0
  return Effect.fnUntraced(function* (bytes: number, total: number) {
    done += bytes
    if (done - reported < reportBytes && done < total) return
    reported = done
    yield* journal.publish({ type: "Progress", done, total, unit: "bytes" })
  })
})

/** Examines all documents on threads: drops those that a check drops, and takes down what the others need. */
const examineAll = Effect.fnUntraced(function* (
  corpus: CorpusReader.CorpusReader,
  config: RefineSettings,
  found: {
    readonly drop: Effect.Success<ReturnType<typeof writeRefined.open>>["drop"]
    readonly edits: Effect.Success<ReturnType<typeof Edits.open>>
    readonly duplicates: Effect.Success<ReturnType<typeof NearDuplicates.make>>
  },
  report: Effect.Success<typeof progress>
) {
  const banding = NearDuplicates.bandingOf(config)
  const bands = banding?.bands ?? 0
  const licence = Licences.check(config)
  const pool = yield* Pool.make({
    name: "Examining the documents",
    worker: new URL("./examineWorker.ts", import.meta.url),
    open: openExamination,
    setup: { file: corpus.textFile, settings: config, banding },
    bytes: corpus.bytes,
    heldBytes: TextRange.heldBytes(corpus.lengths)
  })
  /** Numbers of the documents that no check drops, in order. */
  const passed = new Row(Uint32Array)
  const batches = Stream.fromIterable(TextRange.batchesOf(corpus.lengths, batchBytes)).pipe(
    Stream.mapEffect((batch) =>
      Effect.forEach(TextRange.numbersOf(batch), (id) =>
        Effect.map(corpus.document(id), (document) => ({ document, denied: licence(document.licence) }))
      )
    )
  )
  const taskOf = (batch: Stream.Success<typeof batches>) => ({
    offset: batch[0]!.document.offset,
    lengths: batch.map(({ document }) => document.bytes),
    documents: batch.map(({ denied, document: { kind, path } }) => ({
      kind,
      path,
      isDropped: denied !== undefined
    }))
  })
  yield* batches.pipe(
    Pool.mapBatches(pool, taskOf),
    Stream.runForEach(({ batch, result: { keys, outcomes } }) =>
      Effect.gen(function* () {
        let kept = 0
        for (const [at, { denied, document }] of batch.entries()) {
          const outcome = denied ?? outcomes[at]
          const isDropped = outcome?._tag === "Dropped"
          if (isDropped) yield* found.drop(document, outcome)
          else {
            if (outcome !== undefined) yield* found.edits.add(passed.length, outcome)
            passed.push(document.id)
            if (bands > 0) yield* found.duplicates.add(keys.subarray(kept * bands, ++kept * bands))
          }
          yield* report((isDropped ? 2 : 1) * document.bytes, 2 * corpus.bytes)
        }
      })
    )
  )
  return passed.taken
})

/**
 * Refines a corpus: finds near-duplicates, and lists each dropped and each changed document with the reason.
 *
 * Fails with `EmptyCorpus` when nothing is left, `DamagedCorpus`, `ThreadFailed`, or `WorkspaceError` when the disk refuses.
 *
 * @example
 * ```ts
 * const corpus = refine({ corpus: collect({ sources }) })
 * const split = splitCorpus({ corpus })
 * ```
 */
export const refine = Stage.make({
  name: "refine",
  version: 1,
  source: import.meta.url,
  inputs: { corpus: Corpus },
  config: settings,
  output: Corpus,
  // Grammars are read from files that nothing imports.
  externalDigest: (config) => (config.minimumParsedShare > 0 ? ParsedShare.digests : Effect.succeed({})),
  run: Effect.fn("refine")(function* ({ config, inputs, output }) {
    const path = yield* Path.Path
    const corpus = yield* CorpusReader.open(inputs.corpus.directory)
    const files = yield* writeRefined.open(output)
    const temporary = yield* Workspace.temporaryDirectory("refining")
    const editFile = path.join(temporary, "edits")
    const onDisk = Effect.mapError(Workspace.explain("Refining the corpus", editFile))
    const edits = yield* Edits.open(editFile).pipe(onDisk)
    const duplicates = yield* NearDuplicates.make(config, path.join(temporary, "bands"))
    const report = yield* progress
    const passed = yield* examineAll(corpus, config, { drop: files.drop, edits, duplicates }, report).pipe(
      Effect.scoped,
      Effect.catchTag("PlatformError", (error) =>
        Effect.fail(Workspace.explain("Refining the corpus", editFile)(error))
      )
    )
    const editOf = yield* edits.reader.pipe(onDisk)
    const textOf = Effect.fnUntraced(function* (index: number) {
      return (yield* editOf(index).pipe(onDisk))?.text ?? (yield* corpus.text(passed[index]!))
    })
    const nameOf = (index: number) => Effect.map(corpus.document(passed[index]!), ({ path }) => path)
    let [inClusters, keptInClusters] = [0, 0]
    const places = yield* duplicates.find(
      { lengths: (index) => corpus.lengths[passed[index]!]!, read: textOf },
      Effect.fnUntraced(function* (members, cluster) {
        const documents = []
        for (const { id, like, similarity } of members) {
          const kept = like === id || config.nearDuplicates === "mark"
          inClusters++
          if (kept) keptInClusters++
          documents.push({
            document: passed[id],
            path: yield* nameOf(id),
            kept,
            similarity,
            like: passed[like]
          })
        }
        yield* files.cluster({ cluster, representative: passed[members[0]!.id], documents })
      })
    )
    const header = onceOnly(config.repeatedHeaders)
    for (let index = 0; index < passed.length; index++) {
      const document = yield* corpus.document(passed[index]!)
      const place = places.of(index)
      if (place !== undefined && place.like !== index && config.nearDuplicates === "drop") {
        const like = yield* nameOf(place.like)
        const why = `${(100 * place.similarity).toFixed(0)} % like document ${passed[place.like]}, ${like}`
        yield* files.drop(document, dropped("near-duplicate", why))
      } else {
        const marked = place === undefined ? document : { ...document, cluster: place.cluster }
        const edit = yield* editOf(index).pipe(onDisk)
        if (edit === undefined && config.repeatedHeaders === "keep")
          yield* files.keep(marked, yield* corpus.content(document.id), [])
        else {
          const { changes, text } = header(edit?.text ?? (yield* corpus.text(document.id)))
          yield* files.keep(marked, encoder.encode(text), [...(edit?.changes ?? []), ...changes])
        }
      }
      yield* report(document.bytes, 2 * corpus.bytes)
    }
    yield* files.flush
    const totals = files.totals()
    if (totals.documents === 0) {
      return yield* new EmptyCorpus({
        message: `Refining leaves none of the ${corpus.documents} documents: ${files.tally.dropped.map((row) => `${row.documents} ${row.reason}`).join(", ")}. Change the settings that drop them, or collect other documents.`
      })
    }
    const value = {
      ...totals,
      kinds: files.tally.kinds,
      skipped: files.tally.dropped.map(({ documents, reason }) => ({ reason, files: documents })),
      sources: inputs.corpus.value.sources,
      refinement: {
        documents: corpus.documents,
        bytes: corpus.bytes,
        dropped: files.tally.dropped,
        changed: files.tally.changed,
        clusters: { clusters: places.clusters, documents: inClusters, kept: keptInClusters }
      }
    }
    return value
  }, Effect.scoped)
})
