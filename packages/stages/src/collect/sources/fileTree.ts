/**
 * What sources have in common whose documents are the files of a tree: licence files and packages' manifests are read whether they are wanted
 * or not, for the licence that they state for their folder.
 */
import { Stream } from "effect"
import { isEvidence, statementOf } from "../folderLicences.ts"
import * as LicenceTexts from "../licenceTexts.ts"
import type { Item, OpenContext } from "../SourceDefinition.ts"
import type { Found } from "../screening.ts"

export const fileTree = (context: OpenContext) => {
  const match = LicenceTexts.make()
  /** Paths of files that are read for their licence alone. */
  const unwanted = new Set<string>()
  const itemsOf = (found: Found): ReadonlyArray<Item> => {
    const item: Item = "bytes" in found ? { path: found.path, content: found.bytes } : found
    if (!isEvidence(found.path)) return [item]
    const statement = "bytes" in found ? statementOf(found.path, found.bytes, match) : undefined
    return [
      ...(statement === undefined ? [] : [{ statement }]),
      ...(unwanted.delete(found.path) ? [] : [item])
    ]
  }
  return {
    /** Whether a file is to be read. */
    wanted: (path: string): boolean => {
      const wanted = context.wanted(path)
      if (wanted || !isEvidence(path)) return wanted
      unwanted.add(path)
      return true
    },
    documents: <E, R>(files: Stream.Stream<Found, E, R>): Stream.Stream<Item, E, R> =>
      Stream.flattenIterable(Stream.map(files, itemsOf))
  }
}
