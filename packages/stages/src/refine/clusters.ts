/**
 * Clusters of near-duplicates. Memory: about 25 bytes for each document, and a cache of shingles of 32 MB. The result depends on the
 * documents and their order alone.
 */
import * as Workspace from "@trainyard/core/Workspace"
import { Effect } from "effect"
import { disjointSets } from "../collect/disjointSets.ts"
import { mix } from "../collect/mix.ts"
import * as Spool from "../collect/Spool.ts"
import type { Banding } from "./MinHash.ts"
import * as ShingleCache from "./ShingleCache.ts"

/** A document of a cluster. */
export interface Member {
  readonly id: number
  /** Similarity to the kept document that it is most like; 1 for a kept one. */
  readonly similarity: number
  /** That document: its own number where it is kept. */
  readonly like: number
}

/** Documents that are linked by near-duplicates, the representative (longest, then first) before the others. */
export type Cluster = ReadonlyArray<Member>

/** Members of one band that a document is compared with: one for each cluster there. More would make a huge band quadratic. */
const comparisonsInBand = 64
/** Pairs that were compared and are no near-duplicates: 8 bytes each. */
const rememberedPairs = 1 << 20

/** Remembers pairs until others take their places. */
const pairMemory = () => {
  const places = new Float64Array(rememberedPairs).fill(-1)
  const placeOf = (pair: number): number =>
    mix((pair % 2 ** 32) + Math.floor(pair / 2 ** 32)) % rememberedPairs
  return {
    has: (pair: number): boolean => places[placeOf(pair)] === pair,
    add: (pair: number): void => void (places[placeOf(pair)] = pair)
  }
}

type Similarity<E, R> = (one: number, other: number) => Effect.Effect<number, E, R>

/** Documents whose keys are written together, a row for each band. */
const blockDocuments = 4096

/**
 * Band keys of documents, which are added in the order of their numbers from 0. They lie in a file, which goes with the scope: its blocks have a row of keys
 * for each band, so that the keys of one band are read without the others'.
 */
export const index = Effect.fnUntraced(function* ({ bands }: Banding, file: string) {
  const onDisk = Effect.mapError(Workspace.explain("Comparing documents", file))
  const written = yield* Spool.writer(file).pipe(onDisk)
  const block = new Uint32Array(bands * blockDocuments)
  let documents = 0
  /** Documents without tokens are like no other. */
  const empty = new Set<number>()
  /** The keys of a band and the order of its documents: used for one band after the other. */
  let all = new Uint32Array()
  let sorted = new Float64Array()
  /** The keys of one band, those of documents that are not written yet included. */
  const keysOfBand = Effect.fnUntraced(function* (band: number) {
    if (all.length < documents) {
      all = new Uint32Array(documents)
      sorted = new Float64Array(documents)
    }
    const reader = yield* Spool.reader(file)
    for (let first = 0; first < documents; first += blockDocuments) {
      const count = Math.min(blockDocuments, documents - first)
      const at = 4 * (first * bands + band * blockDocuments)
      const bytes = yield* reader.read(at, 4 * count)
      new Uint8Array(all.buffer).set(bytes, 4 * first)
    }
    return all
  }, Effect.scoped)
  return {
    /** The keys of the next document, by `MinHash`. */
    add: Effect.fnUntraced(function* (keys: Uint32Array) {
      if (keys.every((key) => key === 0)) empty.add(documents)
      const place = documents++ % blockDocuments
      for (let band = 0; band < bands; band++) block[band * blockDocuments + place] = keys[band]!
      if (place === blockDocuments - 1) yield* written.append(new Uint8Array(block.buffer)).pipe(onDisk)
    }),
    /** To be run once, when all are added. */
    finish: Effect.suspend(() =>
      documents % blockDocuments === 0 ? Effect.void : written.append(new Uint8Array(block.buffer))
    ).pipe(Effect.andThen(written.flush), onDisk),
    /** Documents that share the key of a band, at least two, in ascending order. To be gone through before those of the next band. */
    buckets: Effect.fnUntraced(function* (band: number) {
      return bucketsOf(yield* keysOfBand(band).pipe(onDisk), sorted, empty)
    }),
    bands,
    get documents() {
      return documents
    }
  }
})
export type Index = Effect.Success<ReturnType<typeof index>>

/** Groups of documents with the same key, at least two, each in ascending order. */
function* bucketsOf(
  keys: Uint32Array,
  sorted: Float64Array,
  empty: ReadonlySet<number>
): Generator<ReadonlyArray<number>> {
  const documents = keys.length
  const idBits = Math.max(1, Math.ceil(Math.log2(documents)))
  const scale = 2 ** idBits
  // Where a key and a number do not fit in 53 bits, the key is shortened: more candidates, no fewer.
  const dropped = Math.max(0, 32 + idBits - 53)
  for (let id = 0; id < documents; id++) sorted[id] = (keys[id]! >>> dropped) * scale + id
  sorted.sort()
  for (let from = 0; from < documents; ) {
    const key = Math.floor(sorted[from]! / scale)
    let to = from + 1
    while (to < documents && Math.floor(sorted[to]! / scale) === key) to++
    if (to > from + 1) {
      const ids = Array.from(sorted.subarray(from, to), (value) => value % scale)
      const filled = empty.size === 0 ? ids : ids.filter((id) => !empty.has(id))
      if (filled.length > 1) yield filled
    }
    from = to
  }
}

/**
 * Which members of a cluster are kept: from the longest, each that is no near-duplicate of one kept before it. So a document goes only if
 * one that is really like it stays, however long the chain that links a cluster.
 */
const keptOf = <E, R>(ids: ReadonlyArray<number>, threshold: number, similarityOf: Similarity<E, R>) =>
  Effect.gen(function* () {
    const kept: Array<number> = []
    const members: Array<Member> = []
    for (const id of ids) {
      let like = id
      let most = 0
      for (const other of kept) {
        const similarity = yield* similarityOf(id, other)
        if (similarity > most) {
          most = similarity
          like = other
        }
      }
      if (most >= threshold) members.push({ id, similarity: most, like })
      else {
        kept.push(id)
        members.push({ id, similarity: 1, like: id })
      }
    }
    return members
  })

/** Links documents that share a band and are near-duplicates. */
const link = Effect.fnUntraced(function* <E, R>(
  { bands, buckets, documents }: Index,
  threshold: number,
  similarityOf: Similarity<E, R>
) {
  const sets = disjointSets(documents)
  const different = pairMemory()
  for (let band = 0; band < bands; band++) {
    for (const ids of yield* buckets(band)) {
      /** A document of each cluster in this bucket. */
      const samples = new Map<number, number>()
      for (const id of ids) {
        const root = sets.find(id)
        if (samples.has(root)) continue
        let joined = false
        let compared = 0
        for (const sample of samples.values()) {
          const pair = sample * documents + id
          if (different.has(pair)) continue
          if (++compared > comparisonsInBand) break
          if ((yield* similarityOf(sample, id)) >= threshold) {
            sets.join(sample, id)
            joined = true
            break
          }
          different.add(pair)
        }
        if (!joined) samples.set(root, id)
        else if (!samples.has(sets.find(id))) samples.set(sets.find(id), id)
      }
    }
  }
  return sets
})

/** The sets of more than one document, in the order of their first ones. */
function* groupsOf(
  sets: ReturnType<typeof disjointSets>,
  documents: number
): Generator<ReadonlyArray<number>> {
  const isLinked = new Uint8Array(documents)
  let linked = 0
  for (let id = 0; id < documents; id++) {
    const root = sets.find(id)
    if (root === id) continue
    // A root is the smallest of its set.
    for (const each of [root, id]) {
      if (isLinked[each] === 0) linked++
      isLinked[each] = 1
    }
  }
  const byRoot = new Float64Array(linked)
  for (let id = 0, at = 0; id < documents; id++)
    if (isLinked[id] === 1) byRoot[at++] = sets.find(id) * documents + id
  byRoot.sort()
  for (let from = 0; from < linked; ) {
    const root = Math.floor(byRoot[from]! / documents)
    const group: Array<number> = []
    for (; from < linked && Math.floor(byRoot[from]! / documents) === root; from++)
      group.push(byRoot[from]! % documents)
    yield group
  }
}

/** What `find` is told of the indexed documents. */
export interface Known<E, R> {
  /** Jaccard similarity of shingles from which two documents are near-duplicates. */
  readonly threshold: number
  /** Their sizes, by which the representative is chosen. */
  readonly lengths: (id: number) => number
  /** The shingles of one, valid until the next are read. */
  readonly read: (id: number) => Effect.Effect<Uint32Array, E, R>
}

/** Gives the clusters of all indexed documents one by one, in the order of their first documents. */
export const find = Effect.fnUntraced(function* <E, R, E2, R2>(
  index: Index,
  { lengths, read, threshold }: Known<E, R>,
  use: (cluster: Cluster) => Effect.Effect<void, E2, R2>
) {
  const similarityOf = ShingleCache.make(read)
  const sets = yield* link(index, threshold, similarityOf)
  for (const ids of groupsOf(sets, index.documents)) {
    const ordered = ids.toSorted((a, b) => lengths(b) - lengths(a) || a - b)
    yield* use(yield* keptOf(ordered, threshold, similarityOf))
  }
})
