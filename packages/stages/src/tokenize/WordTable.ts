/**
 * A set of ASCII words with numbers from 0, which are found by their place in a text: no string is made for a word that is known. About 20 bytes a word, and
 * its characters.
 */

/** FNV-1a. */
const hashOf = (text: string, start: number, end: number): number => {
  let hash = 0x811c9dc5
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash ^ (hash >>> 15)
}

const wider = <A extends Uint8Array | Int32Array>(array: A, length: number): A => {
  if (length <= array.length) return array
  const made = new (array.constructor as new (length: number) => A)(Math.max(length, 2 * array.length))
  made.set(array)
  return made
}

export class WordTable {
  /** Number of a word and one; 0 for a free slot. */
  #slots = new Int32Array(4096)
  #hashes = new Int32Array(1024)
  /** Where each word's characters begin, and one more. */
  #starts = new Int32Array(1024)
  #characters = new Uint8Array(16_384)
  #size = 0

  /** Words. */
  get size(): number {
    return this.#size
  }

  /** The number of the word that is characters `start` to `end - 1` of a text; -1 where it is not there. */
  find(text: string, start: number, end: number): number {
    const slot = this.#slotOf(text, start, end, hashOf(text, start, end))
    return this.#slots[slot]! - 1
  }

  /** The number of the word, which is added where it is not there. */
  add(text: string, start: number, end: number): number {
    const hash = hashOf(text, start, end)
    const slot = this.#slotOf(text, start, end, hash)
    const known = this.#slots[slot]!
    if (known > 0) return known - 1
    const number = this.#size++
    const from = this.#starts[number]!
    this.#starts = wider(this.#starts, number + 2)
    this.#hashes = wider(this.#hashes, number + 1)
    this.#characters = wider(this.#characters, from + end - start)
    for (let at = start; at < end; at++) this.#characters[from + at - start] = text.charCodeAt(at)
    this.#starts[number + 1] = from + end - start
    this.#hashes[number] = hash
    this.#slots[slot] = number + 1
    if (2 * this.#size > this.#slots.length) this.#grow()
    return number
  }

  /** All words in ASCII, end to end in the order of their numbers, and where each ends; valid until another is added. */
  get all(): { readonly characters: Uint8Array; readonly ends: Int32Array } {
    return {
      characters: this.#characters.subarray(0, this.#starts[this.#size]!),
      ends: this.#starts.subarray(1, this.#size + 1)
    }
  }

  /** The slot that holds the word, or the free one that it would take: linear probing. */
  #slotOf(text: string, start: number, end: number, hash: number): number {
    const last = this.#slots.length - 1
    for (let slot = hash & last; ; slot = (slot + 1) & last) {
      const number = this.#slots[slot]! - 1
      if (number < 0 || (this.#hashes[number] === hash && this.#is(number, text, start, end))) return slot
    }
  }

  #is(number: number, text: string, start: number, end: number): boolean {
    const from = this.#starts[number]!
    if (this.#starts[number + 1]! - from !== end - start) return false
    for (let at = start; at < end; at++)
      if (this.#characters[from + at - start] !== text.charCodeAt(at)) return false
    return true
  }

  #grow(): void {
    const slots = new Int32Array(2 * this.#slots.length)
    const last = slots.length - 1
    for (let number = 0; number < this.#size; number++) {
      let slot = this.#hashes[number]! & last
      while (slots[slot] !== 0) slot = (slot + 1) & last
      slots[slot] = number + 1
    }
    this.#slots = slots
  }
}
