/**
 * What one source gives: its documents, and what was left out, before the sources are joined. A part lies in a folder: `text.bin`, the texts end to
 * end; `entries.jsonl`, an `Entry` a line in the order of the source; `part.json`, a `Summary`.
 */
import * as Durable from "@trainyard/core/Durable"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, FileSystem, Path, Schema, Stream, Struct } from "effect"
import { accept } from "./accept.ts"
import { Document } from "./Corpus.ts"
import * as FolderLicences from "./folderLicences.ts"
import * as Globs from "./Globs.ts"
import * as LicenceTexts from "./licenceTexts.ts"
import type { OpenSource } from "./openSource.ts"
import { SkippedFiles } from "./SkippedFiles.ts"
import * as Spool from "./Spool.ts"
import type { Limits } from "./screening.ts"
import { warningsOf } from "./warnings.ts"

/** A document; `offset` is its place in the part's `text.bin`, and its licence what it states itself. */
const Taken = Schema.Struct(Struct.omit(Document.fields, ["id", "cluster"]))
/** Something that was left out. */
const Left = Schema.Struct({
  path: Schema.String,
  origin: Schema.String,
  reason: Schema.String,
  bytes: Schema.Int
})

const Entry = Schema.Union([Taken, Left])
export type Entry = typeof Entry.Type
export type Taken = typeof Taken.Type

const decodeEntry = Schema.decodeUnknownEffect(Schema.fromJsonString(Entry))

const Statement = Schema.Union([
  Schema.Struct({ folder: Schema.String, manifest: Schema.String }),
  Schema.Struct({ folder: Schema.String, file: Schema.String, licences: Schema.Array(Schema.String) })
])

export const Summary = Schema.Struct({
  origin: Schema.String,
  /** The source as messages name it. */
  label: Schema.String,
  warnings: Schema.Array(Schema.String),
  /** Documents that the globs do not take, and what follows their number in messages. */
  notMatched: Schema.Struct({ files: Schema.Int, text: Schema.String }),
  sourceLicence: Schema.NullOr(Schema.String),
  /** What files state of the licences of their folders. */
  statements: Schema.Array(Statement),
  /** The other files of the folder. */
  files: Schema.Array(Durable.FileEntry)
})
export type Summary = typeof Summary.Type

export interface Part {
  readonly directory: string
  readonly summary: Summary
}

export const textFile = "text.bin"
const entriesFile = "entries.jsonl"
const summaryFile = "part.json"

const encoder = new TextEncoder()
export const jsonLine = (value: unknown): Uint8Array => encoder.encode(`${JSON.stringify(value)}\n`)

const summaryOf = (source: OpenSource, left: SkippedFiles) => ({
  origin: source.origin,
  label: source.label,
  warnings: warningsOf(source, left),
  notMatched: {
    files: source.notMatched(),
    text: `not matched by ${Globs.describe(source.globs)}${source.describeOthers()}`
  }
})

/** Reads a source into an empty folder; `use` is given each entry. */
export const read = Effect.fn("Part.read")(function* <E, R>(
  source: OpenSource,
  limits: Limits,
  directory: string,
  use: (entry: Entry) => Effect.Effect<void, E, R>
) {
  const path = yield* Path.Path
  const text = yield* Spool.writer(path.join(directory, textFile))
  const entries = yield* Spool.writer(path.join(directory, entriesFile))
  const match = LicenceTexts.make()
  const left = new SkippedFiles()
  const statements: Array<FolderLicences.Statement> = []
  let sourceLicence: string | null = null
  yield* Stream.runForEach(source.items, (item) =>
    Effect.gen(function* () {
      if ("sourceLicence" in item) return void (sourceLicence = item.sourceLicence)
      if ("statement" in item) return void statements.push(item.statement)
      const accepted = accept(item, source, limits, match)
      if (accepted === undefined) return
      if ("reason" in accepted) left.add(accepted)
      const entry = "reason" in accepted ? accepted : yield* append(text, accepted)
      yield* entries.append(jsonLine(entry))
      yield* use(entry)
    })
  )
  yield* text.flush
  yield* entries.flush
  const part: Part = {
    directory,
    summary: { ...summaryOf(source, left), sourceLicence, statements, files: [] }
  }
  return part
})

const append = Effect.fnUntraced(function* (
  file: Effect.Success<ReturnType<typeof Spool.writer>>,
  { text, ...document }: Omit<Taken, "offset"> & { readonly text: Uint8Array }
) {
  const entry: Taken = { ...document, offset: yield* file.append(text) }
  return entry
})

/** The entries of a part, in order. */
export const entriesOf = ({ directory }: Part) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      return fs.stream(path.join(directory, entriesFile), { chunkSize: 1 << 18 }).pipe(
        Stream.decodeText(),
        Stream.splitLines,
        // Written by this program, and compared with its digest where another run wrote it.
        Stream.mapEffect((line) => Effect.orDie(decodeEntry(line)))
      )
    })
  )

/** The licence of a path of the part, for a document that states none. */
export const licencesOf = ({ summary: { sourceLicence, statements } }: Part) => {
  const folders = FolderLicences.make()
  for (const statement of statements) folders.add(statement)
  return (path: string): string | null => folders.of(path) ?? sourceLicence
}

const decodeSummary = Schema.decodeUnknownOption(Schema.fromJsonString(Summary))

/** Opens the part in a folder; undefined where there is none, or another than was written. */
export const load = Effect.fn("Part.load")(
  function* (directory: string) {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const file = path.join(directory, summaryFile)
    const summary = decodeSummary(yield* fs.readFileString(file))
    if (summary._tag === "None") return undefined
    if ((yield* Durable.compare(directory, summary.value.files)) !== undefined) return undefined
    const now = new Date()
    yield* fs.utimes(file, now, now).pipe(Effect.ignore)
    const part: Part = { directory, summary: summary.value }
    return part
  },
  Effect.orElseSucceed(() => undefined)
)

/** Moves a part to the folder where later runs look for it. Where one lies there already, this one stays where it is. */
export const keep = Effect.fn("Part.keep")(function* ({ directory, summary }: Part, place: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const temporary = yield* Workspace.temporaryDirectory("the documents of a source")
  const whole: Part = {
    directory: place,
    summary: { ...summary, files: yield* Durable.digestDirectory(directory) }
  }
  yield* fs.writeFileString(path.join(directory, summaryFile), JSON.stringify(whole.summary))
  if ((yield* fs.exists(place)) && (yield* load(place)) !== undefined) return { directory, summary }
  yield* Durable.publishDirectory(directory, place, path.join(temporary, "damaged"))
  return whole
})
