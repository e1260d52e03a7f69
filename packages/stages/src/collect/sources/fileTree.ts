/**
 * What sources have in common whose documents are the files of a tree: a package.json at the top is read whether it is wanted or not, for
 * the licence that it states for all of them.
 */
import { Stream } from "effect"
import { licenceOfSource, manifestName } from "../licence.ts"
import type { Item, OpenContext } from "../SourceDefinition.ts"
import type { Found } from "../screening.ts"

export const fileTree = (context: OpenContext) => {
  let manifestWanted = false
  const itemsOf = (found: Found): ReadonlyArray<Item> => {
    const item: Item = "bytes" in found ? { path: found.path, content: found.bytes } : found
    if (found.path !== manifestName) return [item]
    return [
      ...("bytes" in found ? [{ sourceLicence: licenceOfSource(found.bytes) }] : []),
      ...(manifestWanted ? [item] : [])
    ]
  }
  return {
    /** Whether a file is to be read. */
    wanted: (path: string): boolean => {
      const wanted = context.wanted(path)
      if (path !== manifestName) return wanted
      manifestWanted = wanted
      return true
    },
    documents: <E, R>(files: Stream.Stream<Found, E, R>): Stream.Stream<Item, E, R> =>
      Stream.flattenIterable(Stream.map(files, itemsOf))
  }
}
