/**
 * The collect stage: reads sources, leaves out what is not text, drops duplicates, applies the limits, and writes the corpus.
 */
import { Journal } from "@trainyard/core/Journal"
import { InvalidPipeline } from "@trainyard/core/Pipeline"
import * as Stage from "@trainyard/core/Stage"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, FileSystem, Path, Predicate, Schedule, Schema, Stream, Struct } from "effect"
import { plural } from "../figures.ts"
import { accept } from "./accept.ts"
import { Candidates } from "./Candidates.ts"
import { EmptyCorpus } from "./CollectError.ts"
import { Corpus, Document, maximumTextBytes } from "./Corpus.ts"
import { DigestSet } from "./DigestSet.ts"
import { Downloads } from "./Downloads.ts"
import { isEncoding, type NotUtf8 } from "./encodings.ts"
import * as FolderLicences from "./folderLicences.ts"
import * as LicenceTexts from "./licenceTexts.ts"
import { digestSources, type OpenSource, openSource } from "./openSource.ts"
import { SkippedFiles } from "./SkippedFiles.ts"
import * as SourceDefinition from "./SourceDefinition.ts"
import * as Spool from "./Spool.ts"
import type { Limits } from "./screening.ts"
import { normalizeKinds, rankOf, select, unmetKinds } from "./selection.ts"
import { type BuiltInSettings, builtIn } from "./sources/builtIn.ts"
import { warningsOf, whyEmpty } from "./warnings.ts"

/** A document as the list of candidates has it; `offset` is its place in the spool. */
const Found = Schema.fromJsonString(
  Schema.Struct({ ...Struct.omit(Document.fields, ["id"]), source: Schema.Int })
)
type Found = typeof Found.Type

const encoder = new TextEncoder()
const line = (value: unknown): Uint8Array => encoder.encode(`${JSON.stringify(value)}\n`)

const overLimit = "over a limit"

const count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const positive = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))
const quotas = Schema.Record(Schema.String, count)
const notUtf8: Schema.Codec<NotUtf8, string> = Schema.String.check(
  Schema.makeFilter((name) =>
    name === "skip" || name === "detect" || isEncoding(name)
      ? undefined
      : `no encoding of this name can be decoded. Give "skip", "detect" or a name such as "latin1", "windows-1252", "shift_jis", "gb18030" or "utf-16le"`
  )
)

const anySource: Schema.Codec<SourceDefinition.Bound, SourceDefinition.Source | BuiltInSettings> =
  SourceDefinition.Any

const config = {
  /** Where documents come from. Made with `Source.folder`, `Source.npm` and others, or any source that `Source.make` declares. */
  sources: Schema.Array(anySource).check(Schema.isMinLength(1)),
  /**
   * Number of documents of each kind, such as `{ c: 123, h: 80, other: 13 }`. Kinds that are not named count as `other`. Fewer is an
   * error; where there are more, `seed` chooses.
   * @defaultValue no limit
   * @unit documents
   */
  exactly: Schema.optionalKey(quotas),
  /**
   * Like `exactly`, but fewer is no error, and kinds that are not named are not limited unless `other` is.
   * @defaultValue no limit
   * @unit documents
   */
  atMost: Schema.optionalKey(quotas),
  /**
   * Documents in the whole corpus.
   * @defaultValue no limit
   * @unit documents
   */
  maximumDocuments: Schema.optionalKey(positive),
  /**
   * Size of the whole corpus.
   * @defaultValue no limit
   * @unit bytes
   */
  maximumBytes: Schema.optionalKey(positive),
  /**
   * Larger files are skipped: they are data or generated code.
   * @unit bytes
   */
  maximumFileBytes: positive.pipe(
    Schema.check(
      Schema.isLessThanOrEqualTo(maximumTextBytes, {
        expected: `at most ${maximumTextBytes.toLocaleString("en")}, the longest text that JavaScript holds`
      })
    ),
    Schema.withDecodingDefaultKey(Effect.succeed(1 << 20))
  ),
  /**
   * Files with a longer line are skipped: they are minified or generated.
   * @unit bytes
   */
  maximumLineBytes: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(10_000))),
  /**
   * Text that is not UTF-8: `skip` leaves it out, `detect` guesses the encoding, and the name of an encoding, such as `latin1` or
   * `shift_jis`, decodes it as that. A byte order mark comes first.
   */
  notUtf8: notUtf8.pipe(Schema.withDecodingDefaultKey(Effect.succeed("skip"))),
  /**
   * Archives that unpack to more are refused.
   * @unit bytes
   */
  maximumUnpackedBytes: positive.pipe(Schema.withDecodingDefaultKey(Effect.succeed(2 ** 31))),
  /** Chooses the documents where there are more than the limits allow. */
  seed: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1)))
}

type Writer = Effect.Success<ReturnType<typeof Spool.writer>>

/** Reads every source into the spool, in order, a line for each document into the list, and a line for each file left out into another. */
const gather = Effect.fn("collect.gather")(function* (
  opened: ReadonlyArray<OpenSource>,
  { seed, ...limits }: Limits & { readonly seed: number },
  { left, list, spool }: { readonly spool: Writer; readonly list: Writer; readonly left: Writer }
) {
  const journal = yield* Journal
  const candidates = new Candidates()
  /** Of each source. */
  const skipped: Array<SkippedFiles> = []
  const seen = new DigestSet()
  const match = LicenceTexts.make()
  /** The licence of a path of each source, for documents that state none. */
  const licences: Array<(path: string) => string | null> = []
  let files = 0
  for (const [index, source] of opened.entries()) {
    let sourceLicence: string | null = null
    const folders = FolderLicences.make()
    const leftOut = new SkippedFiles()
    skipped.push(leftOut)
    yield* Stream.runForEach(source.items, (item) =>
      Effect.gen(function* () {
        if ("sourceLicence" in item) return void (sourceLicence = item.sourceLicence)
        if ("statement" in item) return folders.add(item.statement)
        const accepted = accept(item, source, limits, seen, match)
        if (accepted === undefined) return
        if (++files % 100 === 0) yield* journal.publish({ type: "Progress", done: files, unit: "files" })
        if ("reason" in accepted) {
          leftOut.add(accepted)
          return void (yield* left.append(line(accepted)))
        }
        const { text, ...document } = accepted
        const { bytes, encoding, kind, path } = document
        candidates.add({ kind, bytes, encoding, rank: rankOf(seed, index, path) })
        const found: Found = { ...document, source: index, offset: yield* spool.append(text) }
        yield* list.append(line(found))
      })
    )
    licences.push((path) => folders.of(path) ?? sourceLicence)
    for (const message of warningsOf(source, leftOut)) {
      yield* journal.publish({ type: "Note", level: "warning", message })
    }
  }
  yield* journal.publish({ type: "Progress", done: files, total: files, unit: "files" })
  yield* spool.flush
  yield* list.flush
  return { candidates, skipped, licences }
})

/** From which encodings documents were decoded, most first; nothing where all were UTF-8. */
const decoded = (candidates: Candidates, isChosen: Uint8Array) => {
  const groups = candidates
    .byEncoding(isChosen)
    .filter(({ name }) => name !== "")
    .map(({ documents, name }) => ({ encoding: name, documents }))
  return groups.length === 0 ? {} : { decoded: groups }
}

/** Copies the chosen documents from the spool into the artifact, and lists the others as left out. */
const write = Effect.fn("collect.write")(function* (
  output: string,
  files: { readonly spool: string; readonly list: string },
  left: Writer,
  isChosen: Uint8Array,
  licences: ReadonlyArray<(path: string) => string | null>
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const spool = yield* Spool.reader(files.spool)
  const text = yield* Spool.writer(path.join(output, "text.bin"))
  const documents = yield* Spool.writer(path.join(output, "documents.jsonl"))
  const decode = Schema.decodeUnknownEffect(Found)
  let index = 0
  let id = 0
  yield* fs.stream(files.list, { chunkSize: 1 << 18 }).pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((each) =>
      Effect.gen(function* () {
        // Written by this very run.
        const { source, ...found } = yield* Effect.orDie(decode(each))
        const { bytes, origin, path: name } = found
        if (isChosen[index++] === 0)
          return void (yield* left.append(line({ path: name, origin, reason: overLimit, bytes })))
        const offset = yield* text.append(yield* spool.read(found.offset, bytes))
        const licence = found.licence ?? licences[source]!(name)
        const document: Document = { id: id++, ...found, licence, offset }
        yield* documents.append(line(document))
      })
    )
  )
  yield* text.flush
  yield* documents.flush
  yield* left.flush
})

/** How many files were left out for each reason, most first. */
const reasonsOf = ({ reasons }: SkippedFiles, over: number) =>
  [
    ...(over === 0 ? [] : [{ reason: overLimit, files: over }]),
    ...[...reasons].map(([reason, { files }]) => ({ reason, files }))
  ].toSorted((a, b) => b.files - a.files || (a.reason < b.reason ? -1 : 1))

const stage = Stage.make({
  name: "collect",
  version: 1,
  source: import.meta.url,
  inputs: {},
  config,
  output: Corpus,
  retry: Schedule.exponential("500 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 4 })),
  externalDigest: ({ maximumFileBytes, sources }) => digestSources(sources, { maximumFileBytes }),
  modules: ({ sources }) => sources.map(({ definition: { name, source } }) => ({ name, source })),
  run: Effect.fn("collect")(function* ({ config, output }) {
    const path = yield* Path.Path
    const journal = yield* Journal
    const onDisk = Effect.mapError(Workspace.explain("Writing the corpus", output))
    const downloads = yield* Downloads.make
    const opened = yield* Effect.forEach(config.sources, (source) => openSource(source, config), {
      concurrency: 4
    }).pipe(Effect.provideService(Downloads, downloads))
    const temporary = yield* Workspace.temporaryDirectory("collecting")
    const files = { spool: path.join(temporary, "spool"), list: path.join(temporary, "list") }
    const spool = yield* Spool.writer(files.spool).pipe(onDisk)
    const list = yield* Spool.writer(files.list).pipe(onDisk)
    const left = yield* Spool.writer(path.join(output, "skipped.jsonl")).pipe(onDisk)
    const { candidates, licences, skipped } = yield* gather(opened, config, { spool, list, left }).pipe(
      Effect.provideService(Downloads, downloads),
      Effect.catchTag("PlatformError", (error) =>
        Effect.fail(Workspace.explain("Writing the corpus", output)(error))
      )
    )
    if (candidates.length === 0) return yield* whyEmpty(opened, skipped, config)

    const quotas = normalizeKinds(config)
    for (const message of unmetKinds(candidates, quotas)) {
      yield* journal.publish({ type: "Note", level: "warning", message })
    }
    const isChosen = yield* select(candidates, { ...config, ...quotas })
    const kinds = candidates
      .byKind(isChosen)
      .map(({ bytes, documents, name }) => ({ kind: name, documents, bytes }))
    if (kinds.length === 0) {
      return yield* new EmptyCorpus({
        message: `The limits leave none of the ${candidates.length} documents found. Raise maximumBytes, maximumDocuments, atMost or exactly.`
      })
    }
    yield* write(output, files, left, isChosen, licences).pipe(onDisk)

    const documents = kinds.reduce((sum, kind) => sum + kind.documents, 0)
    const value = {
      documents,
      bytes: kinds.reduce((sum, kind) => sum + kind.bytes, 0),
      kinds,
      skipped: reasonsOf(SkippedFiles.all(skipped), candidates.length - documents),
      ...decoded(candidates, isChosen),
      sources: opened.map((source) => source.origin)
    }
    const fetched = opened.filter((source) => source.fetched).length
    yield* journal.publish({
      type: "Facts",
      facts: [{ label: "fetched", text: fetched === 0 ? "no source" : plural(fetched, "source") }]
    })
    return value
  }, Effect.scoped)
})

/** The config, with the settings of these sources in the place of `sources`. */
const configOf = (
  declared: typeof stage.config,
  definitions: ReadonlyArray<SourceDefinition.Definition>
): typeof stage.config =>
  Schema.Struct({
    ...declared.fields,
    sources: Schema.Array(SourceDefinition.oneOf(definitions)).check(Schema.isMinLength(1))
  })

/** The declarations that a list of sources carries, and those of Trainyard. Throws where two are called the same. */
const definitionsIn = (sources: ReadonlyArray<unknown>): ReadonlyArray<SourceDefinition.Definition> => {
  const given = new Map<string, SourceDefinition.Definition>()
  for (const definition of sources.map(SourceDefinition.definitionOf)) {
    if (definition === undefined) continue
    const before = given.get(definition.name)
    if (before !== undefined && before.source !== definition.source) {
      throw new InvalidPipeline({
        pipeline: "",
        message: `collect is given two different sources that are called "${definition.name}", from ${before.source} and ${definition.source}. Use one of them, or a stage for each.`
      })
    }
    given.set(definition.name, definition)
  }
  return [...given.values(), ...builtIn.filter(({ name }) => !given.has(name))]
}

/** The node with a config that is plain data, and a Schema that decodes it to the sources that it names. */
const withSources = <N extends Stage.Node>(node: N): N => {
  const { sources } = node.config
  const list: ReadonlyArray<unknown> = Array.isArray(sources) ? sources : []
  const config = configOf(stage.config, definitionsIn(list))
  // Symbols are left out by entries, and with them the declarations.
  const plain = list.map((source) =>
    Predicate.isObject(source) ? Object.fromEntries(Object.entries(source)) : source
  )
  return {
    ...node,
    stage: { ...node.stage, config },
    config: { ...node.config, ...(Array.isArray(sources) ? { sources: plain } : {}) }
  }
}

const place = (...args: Parameters<typeof stage>) => withSources(stage(...args))

/**
 * Collects documents from sources into a corpus.
 *
 * Fails with `SourceUnavailable`, `UnsafeArchive`, `CorruptArchive`, `EmptyCorpus`, `TooFewDocuments`, or `WorkspaceError` when the
 * disk refuses.
 */
export const collect: typeof stage = Object.defineProperties(place, {
  ...Object.getOwnPropertyDescriptors(stage),
  config: { value: configOf(stage.config, builtIn), enumerable: true }
}) as typeof stage
