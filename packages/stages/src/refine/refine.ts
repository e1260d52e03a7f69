/** The refine stage: drops near-duplicates and what is not worth learning from, and says what it dropped or changed, and why. */
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, Path } from "effect"
import { EmptyCorpus } from "../collect/CollectError.ts"
import { Corpus } from "../collect/Corpus.ts"
import * as CorpusReader from "../collect/CorpusReader.ts"
import { Row } from "../collect/Row.ts"
import * as ParsedShare from "../languages/parsedShare.ts"
import { dropped } from "./Examination.ts"
import { onceOnly } from "./headers.ts"
import * as Licences from "./licences.ts"
import * as NearDuplicates from "./NearDuplicates.ts"
import * as Quality from "./quality.ts"
import * as Secrets from "./secrets.ts"
import { settings } from "./settings.ts"
import * as writeRefined from "./writeRefined.ts"

/** Progress is published after so many bytes. */
const reportBytes = 1 << 19

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

/**
 * Refines a corpus: finds near-duplicates, and lists each dropped and each changed document with the reason.
 *
 * Fails with `EmptyCorpus` when nothing is left, `DamagedCorpus`, or `WorkspaceError` when the disk refuses.
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
    const parsedShare = config.minimumParsedShare > 0 ? yield* ParsedShare.open : () => undefined
    const quality = Quality.check(config, parsedShare)
    const licence = Licences.check(config)
    const edit = Secrets.check(config)
    const files = yield* writeRefined.open(output)
    const temporary = yield* Workspace.temporaryDirectory("refining")
    const duplicates = yield* NearDuplicates.make(config, path.join(temporary, "bands"))
    const report = yield* progress
    /** Numbers of the documents that no check drops, in order. */
    const passedIds = new Row()
    const textOf = (id: number) =>
      Effect.gen(function* () {
        const document = yield* corpus.document(id)
        return { document, examined: edit(document, yield* corpus.text(id)) }
      })
    for (let id = 0; id < corpus.documents; id++) {
      const document = yield* corpus.document(id)
      const text = yield* corpus.text(id)
      const examined = licence(document.licence) ?? quality(document, text) ?? edit(document, text)
      if (examined._tag === "Dropped") yield* files.drop(document, examined)
      else {
        passedIds.push(id)
        yield* duplicates.add(examined.text)
      }
      yield* report((examined._tag === "Dropped" ? 2 : 1) * document.bytes, 2 * corpus.bytes)
    }
    const passed = passedIds.taken
    const readAgain = Effect.map(({ examined }: Effect.Success<ReturnType<typeof textOf>>) =>
      examined._tag === "Kept" ? examined.text : ""
    )
    const { clusters, places } = yield* duplicates.find(
      (index) => corpus.lengths[passed[index]!]!,
      (index) => readAgain(textOf(passed[index]!))
    )
    const nameOf = (index: number) => Effect.map(corpus.document(passed[index]!), ({ path }) => path)
    const header = onceOnly(config.repeatedHeaders)
    for (const [index, id] of passed.entries()) {
      const { document, examined } = yield* textOf(id)
      const place = places.get(index)
      if (place !== undefined && place.like !== index && config.nearDuplicates === "drop") {
        const like = yield* nameOf(place.like)
        const why = `${(100 * place.similarity).toFixed(0)} % like document ${passed[place.like]}, ${like}`
        yield* files.drop(document, dropped("near-duplicate", why))
      } else if (examined._tag === "Kept") {
        const { changes, text } = header(examined.text)
        yield* files.keep(place === undefined ? document : { ...document, cluster: place.cluster }, text, [
          ...examined.changes,
          ...changes
        ])
      }
      yield* report(document.bytes, 2 * corpus.bytes)
    }
    let inClusters = 0
    let keptInClusters = 0
    for (const [cluster, members] of clusters.entries()) {
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
        clusters: { clusters: clusters.length, documents: inClusters, kept: keptInClusters }
      }
    }
    return value
  }, Effect.scoped)
})
