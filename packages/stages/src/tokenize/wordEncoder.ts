/**
 * Encodes words by the vocabulary and the merges of a tokenizer.json, without the `tokenizers` library: a test compares the two. `wordModel` reads the file;
 * threads load this module without what that takes.
 */

/** How words are encoded, as plain data that is small: for threads. */
export type WordModel =
  | {
      readonly type: "byte-pair"
      /** The id of each byte. */
      readonly bytes: Int32Array
      /** Of each merge the left id, the right one and that of both, in the order in which they were learned. */
      readonly merges: Int32Array
    }
  | { readonly type: "word-level"; readonly ids: ReadonlyMap<string, number>; readonly unknown: number }

/** Gives the ids of a word; valid until those of another are asked for. */
export type WordEncoder = (word: string) => Iterable<number>

const none = 0x7fffffff

/** Gives the rank of each pair of ids, `none` for one that is never merged. A table of numbers: a Map would take five times the memory and the time. */
const ranksOf = (merges: Int32Array): ((left: number, right: number) => number) => {
  const count = merges.length / 3
  const mask = 2 ** Math.ceil(Math.log2(2 * count + 2)) - 1
  /** The rank and one; 0 for a free slot. */
  const slots = new Int32Array(mask + 1)
  const slotOf = (left: number, right: number): number => {
    let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 0
    slot = (slot ^ (slot >>> 15)) & mask
    for (; ; slot = (slot + 1) & mask) {
      const rank = slots[slot]! - 1
      if (rank < 0 || (merges[3 * rank] === left && merges[3 * rank + 1] === right)) return slot
    }
  }
  for (let rank = 0; rank < count; rank++) slots[slotOf(merges[3 * rank]!, merges[3 * rank + 1]!)] = rank + 1
  return (left, right) => {
    const rank = slots[slotOf(left, right)]! - 1
    return rank < 0 ? none : rank
  }
}

/** Again and again the first of the earliest learned pairs becomes one token. */
const merging = ({ bytes, merges }: Extract<WordModel, { readonly type: "byte-pair" }>): WordEncoder => {
  const rankOf = ranksOf(merges)
  const encoder = new TextEncoder()
  let text = new Uint8Array(256)
  let ids = new Int32Array(256)
  /** The rank of each id with the one after it. */
  let ranks = new Int32Array(256)
  return (word) => {
    if (3 * word.length > text.length) {
      text = new Uint8Array(6 * word.length)
      ids = new Int32Array(text.length)
      ranks = new Int32Array(text.length)
    }
    let length = encoder.encodeInto(word, text).written
    for (let at = 0; at < length; at++) ids[at] = bytes[text[at]!]!
    for (let at = 1; at < length; at++) ranks[at - 1] = rankOf(ids[at - 1]!, ids[at]!)
    for (;;) {
      let first = none
      let place = 0
      for (let at = 0; at < length - 1; at++) {
        const rank = ranks[at]!
        if (rank >= first) continue
        first = rank
        place = at
      }
      if (first === none) return ids.subarray(0, length)
      ids[place] = merges[3 * first + 2]!
      ids.copyWithin(place + 1, place + 2, length)
      ranks.copyWithin(place + 1, place + 2, length)
      length--
      if (place > 0) ranks[place - 1] = rankOf(ids[place - 1]!, ids[place]!)
      if (place < length - 1) ranks[place] = rankOf(ids[place]!, ids[place + 1]!)
    }
  }
}

export const wordEncoderOf = (model: WordModel): WordEncoder => {
  if (model.type === "byte-pair") return merging(model)
  const { ids, unknown } = model
  return (word) => [ids.get(word) ?? unknown]
}
