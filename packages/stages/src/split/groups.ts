/** Which documents stay in one split: those of a cluster of near-duplicates, and those of a repository, a package or a folder. */
import { Effect } from "effect"
import type { DamagedCorpus } from "../collect/CollectError.ts"
import type { Document } from "../collect/Corpus.ts"
import type { CorpusReader } from "../collect/CorpusReader.ts"
import { disjointSets } from "../collect/disjointSets.ts"

export type KeepTogether = "clusters" | "folders" | "origins" | "nothing"

const folderOf = ({ origin, path }: Document): string =>
  `${origin}\0${path.slice(0, path.lastIndexOf("/") + 1)}`

/**
 * The number of each document's group; -1 for none. Clusters are kept together by all settings but `nothing`, so two folders with
 * near-duplicates of each other are one group.
 */
export const groupsOf = Effect.fn("split.groupsOf")(function* (
  corpus: Pick<CorpusReader, "clusters" | "document" | "documents">,
  keepTogether: KeepTogether
): Effect.fn.Return<Int32Array, DamagedCorpus> {
  if (keepTogether === "clusters") return corpus.clusters
  if (keepTogether === "nothing") return new Int32Array(corpus.documents).fill(-1)
  const { find, join } = disjointSets(corpus.documents)
  const firstOf = new Map<string | number, number>()
  const add = (key: string | number, id: number): void => {
    const first = firstOf.get(key)
    if (first === undefined) firstOf.set(key, id)
    else join(first, id)
  }
  for (let id = 0; id < corpus.documents; id++) {
    const document = yield* corpus.document(id)
    add(keepTogether === "folders" ? folderOf(document) : document.origin, id)
    if (corpus.clusters[id] !== -1) add(corpus.clusters[id]!, id)
  }
  return Int32Array.from({ length: corpus.documents }, (_, id) => find(id))
})
