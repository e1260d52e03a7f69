/** Writes the documents that `refine` keeps, and lists what it dropped and changed. */
import { createHash } from "node:crypto"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, Path } from "effect"
import type { Document } from "../collect/Corpus.ts"
import * as Spool from "../collect/Spool.ts"
import type { Change, Dropped } from "./Examination.ts"
import * as Tally from "./Tally.ts"

/** A line of `skipped.jsonl`: a dropped document. */
export interface DroppedLine {
  readonly path: string
  readonly origin: string
  readonly reason: string
  readonly bytes: number
  /** Its number in the corpus that was refined. */
  readonly document: number
  readonly detail: string
}

const encoder = new TextEncoder()
const jsonLine = (value: unknown): Uint8Array => encoder.encode(`${JSON.stringify(value)}\n`)

/** Opens the files of a refined corpus in the folder. */
export const open = Effect.fnUntraced(function* (output: string) {
  const path = yield* Path.Path
  const onDisk = Effect.mapError(Workspace.explain("Writing the corpus", output))
  const file = (name: string) => Spool.writer(path.join(output, name)).pipe(onDisk)
  const texts = yield* file("text.bin")
  const documents = yield* file("documents.jsonl")
  const droppedLines = yield* file("skipped.jsonl")
  const changedLines = yield* file("changed.jsonl")
  const clusterLines = yield* file("clusters.jsonl")
  const tally = Tally.make()
  let written = 0
  let bytes = 0
  return {
    tally,
    totals: () => ({ documents: written, bytes }),
    drop: Effect.fnUntraced(function* ({ bytes: size, id, origin, path: name }: Document, why: Dropped) {
      const { detail, reason } = why
      tally.drop(reason, size)
      const line: DroppedLine = { path: name, origin, reason, bytes: size, document: id, detail }
      yield* droppedLines.append(jsonLine(line)).pipe(onDisk)
    }),
    /** Writes a document with its text in UTF-8 as it is now; `changes` are what made it differ from the document's own. */
    keep: Effect.fnUntraced(function* (
      document: Document,
      content: Uint8Array,
      changes: ReadonlyArray<Change>
    ) {
      tally.change(changes)
      tally.keep(document.kind, content.length)
      const line: Document = {
        ...document,
        id: written++,
        offset: bytes,
        bytes: content.length,
        digest: changes.length === 0 ? document.digest : createHash("sha256").update(content).digest("hex")
      }
      bytes += content.length
      yield* texts.append(content).pipe(onDisk)
      yield* documents.append(jsonLine(line)).pipe(onDisk)
      if (changes.length === 0) return
      const { id, origin, path: name } = document
      const places = changes.map(({ change, line: at }) => ({ change, line: at }))
      yield* changedLines
        .append(jsonLine({ document: id, id: line.id, path: name, origin, changes: places }))
        .pipe(onDisk)
    }),
    cluster: (line: unknown) => clusterLines.append(jsonLine(line)).pipe(onDisk),
    flush: Effect.forEach(
      [texts, documents, droppedLines, changedLines, clusterLines],
      ({ flush }) => flush,
      {
        discard: true
      }
    ).pipe(onDisk)
  }
})
