/**
 * Lists of word numbers in one pool, each grown at its front: 8 bytes an entry, where an array of numbers for each list takes twice that and
 * more. Entries of a list that is taken away are used again.
 */

const chunkBits = 18
const chunkSize = 1 << chunkBits
const inChunk = chunkSize - 1

/** The empty list. A list is the number of its first entry. */
export const empty = -1

export class WordLists {
  /** Of each entry the word, and the entry after it, in turn. */
  readonly #chunks: Array<Int32Array> = []
  #used = 0
  #free = empty

  /** The list with one word more, at its front. */
  push(list: number, word: number): number {
    let entry = this.#free
    if (entry === empty) {
      entry = this.#used++
      if (entry >> chunkBits === this.#chunks.length) this.#chunks.push(new Int32Array(2 * chunkSize))
    } else this.#free = this.#chunkOf(entry)[2 * (entry & inChunk) + 1]!
    const chunk = this.#chunkOf(entry)
    const at = 2 * (entry & inChunk)
    chunk[at] = word
    chunk[at + 1] = list
    return entry
  }

  /** The first word of a list that is not empty. */
  first(list: number): number {
    return this.#chunkOf(list)[2 * (list & inChunk)]!
  }

  /** Gives each word of a list, and takes the list away. Other lists may grow at the same time. */
  *drain(list: number): Generator<number> {
    for (let entry = list; entry !== empty; ) {
      const chunk = this.#chunkOf(entry)
      const at = 2 * (entry & inChunk)
      const word = chunk[at]!
      const next = chunk[at + 1]!
      chunk[at + 1] = this.#free
      this.#free = entry
      entry = next
      yield word
    }
  }

  /** Takes a list away. */
  free(list: number): void {
    for (const _ of this.drain(list));
  }

  #chunkOf(entry: number): Int32Array {
    return this.#chunks[entry >> chunkBits]!
  }
}
