/** A set of SHA-256 digests, of which it keeps 128 bits: 32 to 64 bytes a digest, where a Set of their texts takes more than 100. */

/** Words of 32 bits of a digest that are kept. */
const words = 4

export class DigestSet {
  private slots = new Uint32Array(1024 * words)
  private taken = 0

  get size(): number {
    return this.taken
  }

  /** Adds a digest in hexadecimal. False where it is there already. */
  add(digest: string): boolean {
    if (2 * (this.taken + 1) * words > this.slots.length) this.grow()
    const own = wordsOf(digest)
    const slot = slotOf(this.slots, own)
    if (isTaken(this.slots, slot)) return false
    this.slots.set(own, slot)
    this.taken++
    return true
  }

  has(digest: string): boolean {
    return isTaken(this.slots, slotOf(this.slots, wordsOf(digest)))
  }

  private grow(): void {
    const before = this.slots
    this.slots = new Uint32Array(2 * before.length)
    for (let at = 0; at < before.length; at += words) {
      if (!isTaken(before, at)) continue
      const own = before.subarray(at, at + words)
      this.slots.set(own, slotOf(this.slots, own))
    }
  }
}

/** The first word is never 0, which marks a free slot. */
const wordsOf = (digest: string): Uint32Array =>
  Uint32Array.from(
    { length: words },
    (_, at) => Number.parseInt(digest.slice(8 * at, 8 * at + 8), 16) || (at === 0 ? 1 : 0)
  )

const isTaken = (slots: Uint32Array, slot: number): boolean => slots[slot] !== 0

/** Where a digest is, or would be: linear probing from a place that its own bits give. */
const slotOf = (slots: Uint32Array, own: Uint32Array): number => {
  const places = slots.length / words
  for (let place = own[1]! % places; ; place = (place + 1) % places) {
    const slot = place * words
    if (!isTaken(slots, slot) || own.every((word, at) => slots[slot + at] === word)) return slot
  }
}
