/** The step of `refine` that finds near-duplicates, with what it says about a document. */
import { Effect } from "effect"
import * as Clusters from "./clusters.ts"
import { headerOf } from "./headers.ts"
import { shinglesOf } from "./shingles.ts"

export interface Settings {
  readonly nearDuplicates: "drop" | "mark" | "ignore"
  readonly similarity: number
  readonly shingleTokens: number
  readonly permutations: number
}

/** What is known of a document that is in a cluster. */
export interface Place {
  /** Number of the cluster, from 0, in the order of the clusters' first documents. */
  readonly cluster: number
  readonly similarity: number
  /** Number of the kept document that it is most like: its own where it is kept. */
  readonly like: number
}

/**
 * Reads documents' texts one at a time, as they will be in the corpus, and finds which are near-duplicates. The comment at the top is not
 * compared, where there is more than it: short files would be alike by their licence alone. `file` is for what is known of each.
 */
export const make = Effect.fnUntraced(function* (settings: Settings, file: string) {
  const options = { threshold: settings.similarity, permutations: settings.permutations }
  const index = yield* Clusters.index(options, file)
  const shingles = (text: string): Uint32Array => {
    const header = headerOf(text)
    const body = header === undefined ? text : text.slice(0, header.from) + text.slice(header.to)
    const found = shinglesOf(body, settings.shingleTokens)
    return found.length === 0 ? shinglesOf(text, settings.shingleTokens) : found
  }
  return {
    /** The next document's text. */
    add: (text: string) => (settings.nearDuplicates === "ignore" ? Effect.void : index.add(shingles(text))),
    /**
     * The clusters, and the places of the documents in them, by their numbers in the order of `add`. `read` gives a text again, for the
     * exact comparison of candidates.
     */
    find: Effect.fnUntraced(function* <E, R>(
      lengths: (id: number) => number,
      read: (id: number) => Effect.Effect<string, E, R>
    ) {
      yield* index.finish
      const clusters = yield* Clusters.find(index, options, lengths, (id) => Effect.map(read(id), shingles))
      const places = new Map<number, Place>()
      for (const [cluster, members] of clusters.entries()) {
        for (const { id, like, similarity } of members) places.set(id, { cluster, similarity, like })
      }
      return { clusters, places }
    })
  }
})
