/**
 * The collect stage: reads sources, leaves out what is not text, drops duplicates, applies the limits, and writes the corpus.
 */
import { Journal } from "@trainyard/core/Journal"
import { InvalidPipeline } from "@trainyard/core/Pipeline"
import * as Stage from "@trainyard/core/Stage"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, Path, Predicate, Schedule, Schema } from "effect"
import { plural } from "../figures.ts"
import type { Candidates } from "./Candidates.ts"
import { EmptyCorpus } from "./CollectError.ts"
import { Corpus } from "./Corpus.ts"
import { Downloads } from "./Downloads.ts"
import { isEncoding, type NotUtf8 } from "./encodings.ts"
import { gather, overLimit, write } from "./gather.ts"
import * as KeptParts from "./KeptParts.ts"
import { maximumTextBytes } from "./maximumTextBytes.ts"
import { digestSources } from "./openSource.ts"
import { SkippedFiles } from "./SkippedFiles.ts"
import * as SourceDefinition from "./SourceDefinition.ts"
import * as Spool from "./Spool.ts"
import { normalizeKinds, select, unmetKinds } from "./selection.ts"
import { type BuiltInSettings, builtIn } from "./sources/builtIn.ts"
import { whyEmpty } from "./warnings.ts"

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
  seed: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(1))),
  /**
   * Whether the workspace keeps what each of several sources gave, in `downloads/documents`, so that a changed one alone is read again. It takes as much of
   * the disk as the texts. What no run used for 30 days is removed. No effect with one source, nor on the corpus.
   */
  keepSources: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(true)))
}

/** From which encodings documents were decoded, most first; nothing where all were UTF-8. */
const decoded = (candidates: Candidates, isChosen: Uint8Array) => {
  const groups = candidates
    .byEncoding(isChosen)
    .filter(({ name }) => name !== "")
    .map(({ documents, name }) => ({ encoding: name, documents }))
  return groups.length === 0 ? {} : { decoded: groups }
}

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
  excludeFromCacheKey: ["keepSources"],
  output: Corpus,
  retry: Schedule.exponential("500 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 4 })),
  externalDigest: ({ maximumFileBytes, sources }) => digestSources(sources, { maximumFileBytes }),
  modules: ({ sources }) => sources.map(({ definition: { name, source } }) => ({ name, source })),
  run: Effect.fn("collect")(function* ({ code = "", config, output }) {
    const path = yield* Path.Path
    const journal = yield* Journal
    const onDisk = Effect.mapError(Workspace.explain("Writing the corpus", output))
    const downloads = yield* Downloads.make
    const left = yield* Spool.writer(path.join(output, "skipped.jsonl")).pipe(onDisk)
    const gathered = yield* gather(config, code, left).pipe(
      Effect.provideService(Downloads, downloads),
      Effect.catchTag("PlatformError", (error) =>
        Effect.fail(Workspace.explain("Writing the corpus", output)(error))
      )
    )
    const { candidates, fetched, kept, parts, skipped } = gathered
    if (candidates.length === 0)
      return yield* whyEmpty(
        parts.map(({ summary }) => summary),
        skipped,
        config
      )

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
    yield* write(output, gathered, left, isChosen).pipe(onDisk)

    const documents = kinds.reduce((sum, kind) => sum + kind.documents, 0)
    const value = {
      documents,
      bytes: kinds.reduce((sum, kind) => sum + kind.bytes, 0),
      kinds,
      skipped: reasonsOf(SkippedFiles.all(skipped), candidates.length - documents),
      ...decoded(candidates, isChosen),
      sources: parts.map(({ summary }) => summary.origin)
    }
    yield* KeptParts.removeUnused
    yield* journal.publish({
      type: "Facts",
      facts: [
        { label: "fetched", text: fetched === 0 ? "no source" : plural(fetched, "source") },
        ...(kept === 0
          ? []
          : [{ label: "from earlier runs", text: `${kept} of ${plural(parts.length, "source")}` }])
      ]
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
