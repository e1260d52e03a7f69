/**
 * The sets of shingles of the documents that were compared last. They lie in one array that is filled from its beginning again and again: an array for each
 * set would be garbage that V8 collects late and that leaves holes in the process's memory.
 */
import { Effect } from "effect"
import { jaccard } from "./shingles.ts"

/** Shingles of 4 bytes that are held: 32 MB. */
const mostHeld = 8 << 20

/** Gives the Jaccard similarity of two documents. `read` gives the shingles of one, which are valid until the next are read. */
export const make = <E, R>(
  read: (id: number) => Effect.Effect<Uint32Array, E, R>,
  most = mostHeld
): ((one: number, other: number) => Effect.Effect<number, E, R>) => {
  const held = new Uint32Array(most)
  /** Where the set of each document is, the oldest first: each begins where the one before ends, or at 0. */
  const places = new Map<number, Uint32Array>()
  let end = 0
  let copies = new Uint32Array()

  /** Room for so many shingles, for which the oldest sets go. */
  const roomFor = (length: number): Uint32Array => {
    const from = end + length <= most ? end : 0
    for (const [oldest, set] of places) {
      const start = (set.byteOffset - held.byteOffset) / 4
      const isBehind = from < end && start >= end
      if (!isBehind && (start >= from + length || start + set.length <= from)) break
      places.delete(oldest)
    }
    end = from + length
    return held.subarray(from, end)
  }

  /** The shingles of a document; valid until those of another are asked for. */
  const setOf = Effect.fnUntraced(function* (id: number) {
    const known = places.get(id)
    if (known !== undefined) return known
    const shingles = yield* read(id)
    if (shingles.length > most / 4) return shingles
    const place = roomFor(shingles.length)
    place.set(shingles)
    if (place.length > 0) places.set(id, place)
    return place
  })

  return Effect.fnUntraced(function* (one: number, other: number) {
    const first = yield* setOf(one)
    if (places.get(one) === first && places.has(other)) return jaccard(first, yield* setOf(other))
    // Reading the other one may take the place of the first.
    if (copies.length < first.length) copies = new Uint32Array(2 * first.length)
    copies.set(first)
    return jaccard(copies.subarray(0, first.length), yield* setOf(other))
  })
}
