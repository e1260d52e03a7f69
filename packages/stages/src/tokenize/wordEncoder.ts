/**
 * Encodes words by the vocabulary and the merges of a tokenizer.json, without the `tokenizers` library: a test compares the two. `wordModel` reads the file;
 * threads load this module without what that takes.
 */

/** Ids fit 26 bits, a pair of them 52: an exact number. */
const keyOf = (left: number, right: number): number => left * 0x4000000 + right

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

/** Gives the ids of a word. */
export type WordEncoder = (word: string) => ReadonlyArray<number>

/** Again and again the first of the earliest learned pairs becomes one token. */
const merging = ({ bytes, merges }: Extract<WordModel, { readonly type: "byte-pair" }>): WordEncoder => {
  const table = new Map<number, number>()
  for (let rank = 0; 3 * rank < merges.length; rank++)
    table.set(keyOf(merges[3 * rank]!, merges[3 * rank + 1]!), rank)
  return (word) => {
    const ids = Array.from(Buffer.from(word), (byte) => bytes[byte]!)
    for (;;) {
      let first = Number.POSITIVE_INFINITY
      let place = 0
      for (let at = 1; at < ids.length; at++) {
        const rank = table.get(keyOf(ids[at - 1]!, ids[at]!))
        if (rank === undefined || rank >= first) continue
        first = rank
        place = at
      }
      if (place === 0) return ids
      ids.splice(place - 1, 2, merges[3 * first + 2]!)
    }
  }
}

export const wordEncoderOf = (model: WordModel): WordEncoder => {
  if (model.type === "byte-pair") return merging(model)
  const { ids, unknown } = model
  return (word) => [ids.get(word) ?? unknown]
}
