/**
 * MinHash with banding (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3): documents that share a
 * band are candidates for near-duplicates, and no other pair has to be compared. The values come from fast similarity sketching (Dahlgaard, Knudsen and
 * Thorup 2017, arXiv:1704.04370): two sets agree in each value with the probability of their Jaccard similarity, as with a permutation for each
 * value, but a set is gone through a few times instead of once for each.
 */
import { mix } from "../collect/mix.ts"

/** How the values are divided: `bands` bands of `rows` values; what is left over is not used. */
export interface Banding {
  readonly bands: number
  readonly rows: number
}

/** Probability that two documents of a similarity share a band. */
export const candidateProbability = ({ bands, rows }: Banding, similarity: number): number =>
  1 - (1 - similarity ** rows) ** bands

/**
 * The longest bands, so the fewest needless comparisons, with which at least 99 % of the pairs right at the threshold share one. One row a
 * band where even that is out of reach.
 */
export const bandingFor = (permutations: number, threshold: number): Banding => {
  for (let rows = permutations; rows > 1; rows--) {
    const banding = { bands: Math.floor(permutations / rows), rows }
    if (candidateProbability(banding, threshold) >= 0.99) return banding
  }
  return { bands: permutations, rows: 1 }
}

const golden = 0x9e3779b1

/** Gives the band keys of sets of shingles, which may name a shingle twice; the same on every machine. */
export const make = ({ bands, rows }: Banding) => {
  const values = bands * rows
  const least = new Uint32Array(values)
  /** The round in which each value was found; `values * 2` where it is not yet. */
  const round = new Uint32Array(values)
  const none = 2 * values
  /**
   * In each of the first rounds every shingle is drawn into one of the values, and the least of a value's shingles becomes it; in the last ones all
   * shingles are drawn into the same value. A value that has one stays as it is.
   */
  const sketch = (shingles: Uint32Array): void => {
    round.fill(none)
    let open = values
    for (let turn = 0; turn < none && open > 0; turn++) {
      const mask = mix(Math.imul(turn, golden) + 1)
      const factor = mix(mask + 1) | 1
      for (let at = 0; at < shingles.length; at++) {
        let hash = Math.imul(shingles[at]! ^ mask, factor)
        hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)
        hash ^= hash >>> 13
        const value = turn < values ? Math.floor(((hash >>> 0) / 2 ** 32) * values) : turn - values
        const found = round[value]!
        if (found < turn) continue
        const drawn = (Math.imul(hash, 0xc2b2ae35) ^ (hash >>> 16)) >>> 0
        if (found === none) open--
        if (found === none || drawn < least[value]!) least[value] = drawn
        round[value] = turn
      }
    }
  }
  /** One key of 32 bits a band, into `keys`; 0 in all of them for an empty set, which is like no other. */
  return (shingles: Uint32Array, keys: Uint32Array): void => {
    if (shingles.length === 0) return void keys.fill(0)
    sketch(shingles)
    for (let band = 0; band < bands; band++) {
      let key = band
      for (let row = 0; row < rows; row++) {
        const at = band * rows + row
        key = mix(Math.imul(key, 31) + least[at]! + Math.imul(round[at]!, golden))
      }
      keys[band] = key
    }
  }
}
