/**
 * MinHash with banding (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3): documents that share a
 * band are candidates for near-duplicates, and no other pair has to be compared.
 */
import { mix } from "../collect/mix.ts"

/** How the permutations are divided: `bands` bands of `rows` permutations; what is left over is not used. */
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

/** Gives the band keys of sets of shingles, the same on every machine. */
export const make = ({ bands, rows }: Banding) => {
  const permutations = bands * rows
  const masks = Uint32Array.from({ length: permutations }, (_, index) => mix(2 * index + 1))
  const factors = Uint32Array.from({ length: permutations }, (_, index) => mix(2 * index + 2) | 1)
  const least = new Uint32Array(permutations)
  /** One key of 32 bits a band, into `keys`. */
  return (shingles: Uint32Array, keys: Uint32Array): void => {
    least.fill(0xffffffff)
    for (let index = 0; index < permutations; index++) {
      const mask = masks[index]!
      const factor = factors[index]!
      let smallest = 0xffffffff
      for (let at = 0; at < shingles.length; at++) {
        let hash = Math.imul(shingles[at]! ^ mask, factor)
        hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) >>> 0
        if (hash < smallest) smallest = hash
      }
      least[index] = smallest
    }
    for (let band = 0; band < bands; band++) {
      let key = band
      for (let row = 0; row < rows; row++) key = mix(Math.imul(key, 31) + least[band * rows + row]!)
      keys[band] = key
    }
  }
}
