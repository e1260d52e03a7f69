/**
 * Which documents a tokenizer was learned from, so that `buildDataset` can check that no validation or test document is among them: the
 * tokenizer artifact's `documents.txt`, the SHA-256 of each document's text, one a line.
 */
import { join } from "node:path"
import * as Workspace from "@trainyard/core/Workspace"
import { Effect, FileSystem, Stream } from "effect"
import * as Spool from "../collect/Spool.ts"
import type { SplitDocument } from "../split/Split.ts"
import type { SubsetReader } from "../split/SplitReader.ts"

const fileIn = (directory: string): string => join(directory, "documents.txt")

/** SHA-256 of the text of the whole document, of which a split may have a part. */
export const digestOf = ({ digest, part }: SplitDocument): string => part?.digest ?? digest

/** Writes the list into a tokenizer's folder. */
export const write = Effect.fnUntraced(function* (directory: string, subset: SubsetReader) {
  const onDisk = Effect.mapError(Workspace.explain("Writing the tokenizer", directory))
  const list = yield* Spool.writer(fileIn(directory)).pipe(onDisk)
  const encoder = new TextEncoder()
  for (let index = 0; index < subset.documents; index++) {
    const document = yield* subset.document(index)
    yield* list.append(encoder.encode(`${digestOf(document)}\n`)).pipe(onDisk)
  }
  yield* list.flush.pipe(onDisk)
})

/** The digests that a tokenizer's folder lists, one by one: none for an imported tokenizer, whose documents are unknown. */
export const read = (directory: string) =>
  Stream.unwrap(
    Effect.map(FileSystem.FileSystem, (fs) => fs.stream(fileIn(directory), { chunkSize: 1 << 18 }))
  ).pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.catchTag("PlatformError", (error) =>
      error.reason._tag === "NotFound" ? Stream.empty : Stream.fail(error)
    )
  )
