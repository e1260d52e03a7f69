/** An expert that copies: it finds the longest earlier place with the same tokens before it, and predicts what came there. */
import { bucket, type Expert } from "./Expert.ts"

const lengthLimits = [4, 6, 8, 12, 16, 24, 32]
const missLimits = [0, 1]

export const matchStates = (lengthLimits.length + 1) * (missLimits.length + 1)

/** A text that grows, with the last place of each run of `least` tokens. */
export class MatchIndex {
  readonly least: number
  private tokens = new Int32Array(1024)
  length = 0
  private readonly places = new Map<number, number>()

  /** @param least tokens that must be the same for a match */
  constructor(least: number) {
    this.least = least
  }

  at(place: number): number {
    return this.tokens[place]!
  }

  add(token: number): void {
    if (this.length === this.tokens.length) {
      const longer = new Int32Array(2 * this.length)
      longer.set(this.tokens)
      this.tokens = longer
    }
    this.tokens[this.length++] = token
    if (this.length >= this.least) this.places.set(this.hash(this.tokens, this.length), this.length)
  }

  /** The place after the last run of tokens like those that end `recent`, and how many are the same; undefined where none is. */
  find(recent: Int32Array, end: number, longest: number): { place: number; length: number } | undefined {
    if (end < this.least) return undefined
    const place = this.places.get(this.hash(recent, end))
    if (place === undefined || place > this.length) return undefined
    let length = 0
    while (
      length < longest &&
      length < Math.min(end, place) &&
      this.tokens[place - 1 - length] === recent[end - 1 - length]
    )
      length++
    return length < this.least ? undefined : { place, length }
  }

  private hash(tokens: Int32Array, end: number): number {
    let hash = 0
    for (let i = end - this.least; i < end; i++) hash = (Math.imul(hash, 0x2c1b3c6d) + tokens[i]! + 1) | 0
    return hash
  }
}

/** Tokens that are compared at most. */
const longestMatch = 48

/** Copies from an index. `grows`: whether the document's own tokens are added to it. */
export const matchExpert = (index: MatchIndex, grows: boolean): Expert => {
  let recent = new Int32Array(256)
  let end = 0
  let place = -1
  let length = 0
  let misses = 0
  const usable = () => place >= 0 && place < index.length
  return {
    state: () =>
      usable() ? bucket(length, lengthLimits) * (missLimits.length + 1) + bucket(misses, missLimits) : -1,
    addTo: (distribution, weight) => {
      distribution[index.at(place)]! += weight
    },
    observe: (token) => {
      const predicted = usable() ? index.at(place) : -1
      if (predicted === token) {
        length = Math.min(length + 1, longestMatch)
        place++
        if (length % 16 === 0) misses = Math.max(0, misses - 1)
      } else {
        if (predicted >= 0) misses++
        length = 0
        place = -1
      }
      if (end === recent.length) {
        const longer = new Int32Array(2 * end)
        longer.set(recent)
        recent = longer
      }
      recent[end++] = token
      if (place < 0 || place > index.length) {
        const found = index.find(recent, end, longestMatch)
        place = found?.place ?? -1
        if (found !== undefined && length === 0) length = found.length
        if (found === undefined) misses = 0
      }
      if (grows) index.add(token)
      return predicted === token ? 1 : 0
    }
  }
}
