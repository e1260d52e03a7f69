/** Joins what the sources give: drops duplicates across them, and takes down which documents may be kept. */
import { Journal } from "@trainyard/core/Journal"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, FileSystem, Path, Stream } from "effect"
import { Candidates } from "./Candidates.ts"
import type { Document } from "./Corpus.ts"
import { DigestSet } from "./DigestSet.ts"
import * as KeptParts from "./KeptParts.ts"
import { openSource } from "./openSource.ts"
import * as Part from "./Part.ts"
import { SkippedFiles } from "./SkippedFiles.ts"
import type { Bound } from "./SourceDefinition.ts"
import * as Spool from "./Spool.ts"
import type { Limits } from "./screening.ts"
import { rankOf } from "./selection.ts"

type Writer = Effect.Success<ReturnType<typeof Spool.writer>>

export interface GatherSettings extends Limits {
  readonly sources: ReadonlyArray<Bound>
  readonly maximumUnpackedBytes: number
  readonly seed: number
  readonly keepSources: boolean
}

/** Flags of documents, a byte each. */
class Flags {
  #values = new Uint8Array(1024)
  #length = 0

  push(flag: boolean): void {
    if (this.#length === this.#values.length) {
      const wider = new Uint8Array(2 * this.#length)
      wider.set(this.#values)
      this.#values = wider
    }
    this.#values[this.#length++] = flag ? 1 : 0
  }

  at(index: number): boolean {
    return this.#values[index] === 1
  }
}

/** What was gathered. */
export interface Gathered {
  /** Of each source. */
  readonly parts: ReadonlyArray<Part.Part>
  /** What was left out of each source. */
  readonly skipped: ReadonlyArray<SkippedFiles>
  /** The documents of all parts, one after the other, without duplicates. */
  readonly candidates: Candidates
  /** Whether a document of the parts is a duplicate, by its number among all of them. */
  readonly isDuplicate: (document: number) => boolean
  /** How many sources something was fetched for, and how many were not read again. */
  readonly fetched: number
  readonly kept: number
}

/** Takes one entry after the other, all sources' in their order. */
const joining = (seed: number, left: Writer) => {
  const candidates = new Candidates()
  const seen = new DigestSet()
  const duplicates = new Flags()
  const skipped: Array<SkippedFiles> = []
  const leave = (source: number, entry: { readonly [K in keyof Left]: Left[K] }) => {
    skipped[source]!.add(entry)
    return left.append(Part.jsonLine(entry))
  }
  return {
    candidates,
    skipped,
    isDuplicate: (document: number) => duplicates.at(document),
    add: (source: number, entry: Part.Entry): Effect.Effect<unknown, WriteError> => {
      if ("reason" in entry) return leave(source, entry)
      const { bytes, digest, encoding, kind, origin, path } = entry
      const isNew = seen.add(digest)
      duplicates.push(!isNew)
      if (!isNew) return leave(source, { path, origin, reason: "duplicate", bytes })
      candidates.add({ kind, bytes, encoding, rank: rankOf(seed, source, path) })
      return Effect.void
    }
  }
}
type Left = Exclude<Part.Entry, Part.Taken>
type WriteError = Effect.Error<ReturnType<Writer["append"]>>

/** Reads every source, in order, except those of which the workspace keeps what they gave. */
export const gather = Effect.fn("collect.gather")(function* (
  settings: GatherSettings,
  code: string,
  left: Writer
) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const journal = yield* Journal
  const temporary = yield* Workspace.temporaryDirectory("collecting")
  const { keepSources, seed, sources } = settings
  const keptParts = yield* KeptParts.make(settings, code)
  // One source alone changes as a whole.
  const isKept = keepSources && sources.length > 1
  const known = yield* Effect.forEach(
    sources,
    (source) => (isKept ? keptParts.find(source) : Effect.succeed({ key: undefined, part: undefined })),
    { concurrency: 4 }
  )
  const opened = yield* Effect.forEach(
    sources,
    (source, index) =>
      known[index]!.part === undefined ? openSource(source, settings) : Effect.succeed(undefined),
    { concurrency: 4 }
  )
  const joined = joining(seed, left)
  const parts: Array<Part.Part> = []
  let entries = 0
  const add = (source: number) => (entry: Part.Entry) =>
    Effect.andThen(
      ++entries % 100 === 0
        ? journal.publish({ type: "Progress", done: entries, unit: "files" })
        : Effect.void,
      joined.add(source, entry)
    )
  for (const [index, source] of opened.entries()) {
    joined.skipped.push(new SkippedFiles())
    const { key, part } = known[index]!
    if (part !== undefined) {
      yield* Stream.runForEach(Part.entriesOf(part), add(index))
      parts.push(part)
    } else if (source !== undefined) {
      const directory = path.join(temporary, String(index))
      yield* fs.makeDirectory(directory)
      const read = yield* Effect.scoped(Part.read(source, settings, directory, add(index)))
      parts.push(isKept ? yield* keptParts.keep(read, sources[index]!, key) : read)
    }
    for (const message of parts[index]!.summary.warnings)
      yield* journal.publish({ type: "Note", level: "warning", message })
  }
  yield* journal.publish({ type: "Progress", done: entries, total: entries, unit: "files" })
  const gathered: Gathered = {
    parts,
    skipped: joined.skipped,
    candidates: joined.candidates,
    isDuplicate: joined.isDuplicate,
    fetched: opened.filter((source) => source?.fetched === true).length,
    kept: known.filter(({ part }) => part !== undefined).length
  }
  return gathered
})

export const overLimit = "over a limit"

/** Copies the chosen documents into the corpus, and lists the others as left out. */
export const write = Effect.fn("collect.write")(function* (
  output: string,
  { isDuplicate, parts }: Gathered,
  left: Writer,
  isChosen: Uint8Array
) {
  const path = yield* Path.Path
  const text = yield* Spool.writer(path.join(output, "text.bin"))
  const documents = yield* Spool.writer(path.join(output, "documents.jsonl"))
  let number = 0
  let candidate = 0
  let id = 0
  for (const part of parts) {
    const licenceOf = Part.licencesOf(part)
    const texts = yield* Spool.reader(path.join(part.directory, Part.textFile))
    yield* Stream.runForEach(Part.entriesOf(part), (entry) =>
      Effect.gen(function* () {
        if ("reason" in entry || isDuplicate(number++)) return
        const { bytes, origin, path: name } = entry
        if (isChosen[candidate++] === 0)
          return void (yield* left.append(Part.jsonLine({ path: name, origin, reason: overLimit, bytes })))
        const offset = yield* text.append(yield* texts.read(entry.offset, bytes))
        const document: Document = {
          id: id++,
          ...entry,
          licence: entry.licence ?? licenceOf(name),
          offset
        }
        yield* documents.append(Part.jsonLine(document))
      })
    ).pipe(Effect.scoped)
  }
  yield* text.flush
  yield* documents.flush
  yield* left.flush
})
