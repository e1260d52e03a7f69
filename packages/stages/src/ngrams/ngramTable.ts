/** A hash table of n-grams: the counts of a Kneser-Ney model are too many for a Map. */

/** n-grams of one order: (prefix, token) to a dense id, by open addressing in typed arrays. */
export class NgramTable {
  size = 0
  /** The n-gram without its last token: its id in the table one order below. */
  prefix: Int32Array
  token: Int32Array
  count: Int32Array
  /** id + 1 in each taken slot, 0 in a free one. */
  private slots: Int32Array

  constructor(capacity: number) {
    this.prefix = new Int32Array(capacity)
    this.token = new Int32Array(capacity)
    this.count = new Int32Array(capacity)
    this.slots = new Int32Array(capacity * 2)
  }

  /** The n-gram's id, or -1. */
  find(prefix: number, token: number): number {
    const mask = this.slots.length - 1
    for (let slot = hash(prefix, token) & mask; ; slot = (slot + 1) & mask) {
      const id = this.slots[slot]! - 1
      if (id < 0 || (this.prefix[id] === prefix && this.token[id] === token)) return id
    }
  }

  /** The n-gram's id; a new one, equal to the former `size`, when it was not there. */
  findOrAdd(prefix: number, token: number): number {
    const mask = this.slots.length - 1
    let slot = hash(prefix, token) & mask
    for (let id = this.slots[slot]! - 1; id >= 0; id = this.slots[slot]! - 1) {
      if (this.prefix[id] === prefix && this.token[id] === token) return id
      slot = (slot + 1) & mask
    }
    if (this.size === this.prefix.length) {
      this.grow()
      return this.findOrAdd(prefix, token)
    }
    const id = this.size++
    this.prefix[id] = prefix
    this.token[id] = token
    this.slots[slot] = id + 1
    return id
  }

  private grow(): void {
    const capacity = this.prefix.length * 2
    this.prefix = lengthened(this.prefix, capacity)
    this.token = lengthened(this.token, capacity)
    this.count = lengthened(this.count, capacity)
    this.slots = new Int32Array(capacity * 2)
    const mask = this.slots.length - 1
    for (let id = 0; id < this.size; id++) {
      let slot = hash(this.prefix[id]!, this.token[id]!) & mask
      while (this.slots[slot] !== 0) slot = (slot + 1) & mask
      this.slots[slot] = id + 1
    }
  }
}

const hash = (prefix: number, token: number): number => {
  const mixed = Math.imul(prefix, 0x9e3779b1) ^ Math.imul(token + 1, 0x85ebca6b)
  return Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d) >>> 4
}

const lengthened = (values: Int32Array, capacity: number): Int32Array<ArrayBuffer> => {
  const longer = new Int32Array(capacity)
  longer.set(values)
  return longer
}
