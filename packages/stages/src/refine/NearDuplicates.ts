/** The step of `refine` that finds near-duplicates, with what it says about a document. */
import { Effect } from "effect"
import * as Clusters from "./clusters.ts"
import * as MinHash from "./MinHash.ts"
import { type ShingleSettings, setOf } from "./shingledBody.ts"
import { Buffers } from "./shingles.ts"

export interface Settings extends ShingleSettings {
  readonly nearDuplicates: "drop" | "mark" | "ignore"
  readonly similarity: number
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

/** The keys that documents are found by; undefined where near-duplicates are not looked for. */
export const bandingOf = ({
  nearDuplicates,
  permutations,
  similarity
}: Settings): MinHash.Banding | undefined =>
  nearDuplicates === "ignore" ? undefined : MinHash.bandingFor(permutations, similarity)

const nowhere = -1

/** The places of all documents: 20 bytes each. */
const places = (documents: number) => {
  const clusters = new Int32Array(documents).fill(nowhere)
  const likes = new Uint32Array(documents)
  const similarities = new Float64Array(documents)
  return {
    set: (id: number, { cluster, like, similarity }: Place): void => {
      clusters[id] = cluster
      likes[id] = like
      similarities[id] = similarity
    },
    /** Undefined for a document in no cluster. */
    of: (id: number): Place | undefined => {
      const cluster = clusters[id] ?? nowhere
      return cluster === nowhere ? undefined : { cluster, like: likes[id]!, similarity: similarities[id]! }
    }
  }
}

/** Takes the keys of documents, one after the other, and finds which are near-duplicates. `file` is for the keys. */
export const make = Effect.fnUntraced(function* (settings: Settings, file: string) {
  const banding = bandingOf(settings) ?? { bands: 0, rows: 1 }
  const index = yield* Clusters.index(banding, file)
  return {
    /** The next document's keys, by the banding of `bandingOf`. */
    add: index.add,
    /**
     * The places of the documents, by their numbers in the order of `add`; `use` is given each cluster. `read` gives a document's text, for the exact
     * comparison of candidates.
     */
    find: Effect.fnUntraced(function* <E, R, E2, R2>(
      known: Pick<Clusters.Known<E, R>, "lengths"> & {
        readonly read: (id: number) => Effect.Effect<string, E, R>
      },
      use: (cluster: Clusters.Cluster, number: number) => Effect.Effect<void, E2, R2>
    ) {
      yield* index.finish
      const found = places(index.documents)
      const buffers = new Buffers()
      let clusters = 0
      yield* Clusters.find(
        index,
        {
          threshold: settings.similarity,
          lengths: known.lengths,
          read: (id) => Effect.map(known.read(id), (text) => setOf(text, settings, buffers))
        },
        (members) => {
          const cluster = clusters++
          for (const { id, like, similarity } of members) found.set(id, { cluster, similarity, like })
          return use(members, cluster)
        }
      )
      return { clusters, of: found.of }
    })
  }
})
