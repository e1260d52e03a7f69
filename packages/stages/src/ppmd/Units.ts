/**
 * The memory of a PPMd model: the text from below, and units of 12 bytes for contexts (from above) and for their lists of symbols. Freed
 * units wait in lists by size. A reference is an offset in bytes; 0 refers to nothing.
 *
 * What a model computes does not depend on the size of this memory as long as it suffices, so where it does not, `MemoryFull` is thrown
 * and the caller begins again with more, where PPMd would forget all that it has learned.
 */

const unit = 12
const sizes = 38
/** The longest list: 256 symbols of 6 bytes. */
const mostUnits = 128

/** Not an error of the user's: see `Ppmd.ts`, which catches it. */
export class MemoryFull extends Error {}

/** Units of each size, and for a number of units less one the least size that holds them. */
const sizeTables = () => {
  const unitsOf = new Uint8Array(sizes)
  const sizeOf = new Uint8Array(mostUnits)
  for (let size = 0, units = 0; size < sizes; size++) {
    for (let step = size >= 12 ? 4 : (size >> 2) + 1; step > 0; step--) sizeOf[units++] = size
    unitsOf[size] = units
  }
  return { unitsOf, sizeOf }
}
const { sizeOf, unitsOf } = sizeTables()

/** What a snapshot keeps of a memory: all that is in use. */
export interface UnitsSnapshot {
  readonly text: Uint8Array
  readonly lists: Uint8Array
  readonly contexts: Uint8Array
  readonly free: Uint32Array
}

export class Units {
  readonly u8: Uint8Array
  readonly u16: Uint16Array
  readonly u32: Uint32Array
  /** Where the next byte of text goes. */
  text = unit
  /** Where units begin. */
  readonly start: number
  private low: number
  private high: number
  private readonly end: number
  private readonly free = new Uint32Array(sizes)

  /** @param bytes about so much; an eighth of it is for text */
  constructor(bytes: number) {
    const parts = Math.floor(bytes / 8 / unit)
    this.end = unit + parts * 8 * unit
    const buffer = new ArrayBuffer(this.end)
    this.u8 = new Uint8Array(buffer)
    this.u16 = new Uint16Array(buffer)
    this.u32 = new Uint32Array(buffer)
    this.start = unit + parts * unit
    this.low = this.start
    this.high = this.end
  }

  /** Adds a byte of text; gives its place. */
  addText(byte: number): number {
    if (this.text + 1 >= this.start) throw new MemoryFull()
    this.u8[this.text] = byte
    return this.text++
  }

  /** A unit for a context. */
  addContext(): number {
    if (this.high === this.low) throw new MemoryFull()
    this.high -= unit
    return this.high
  }

  /** Units for a list of symbols. */
  add(units: number): number {
    const size = sizeOf[units - 1]!
    if (this.free[size] !== 0) return this.take(size)
    const bytes = unitsOf[size]! * unit
    if (bytes > this.high - this.low) throw new MemoryFull()
    this.low += bytes
    return this.low - bytes
  }

  /** A list of `units` that shall have one more: where it lies then. */
  grow(at: number, units: number): number {
    const size = sizeOf[units - 1]!
    if (size === sizeOf[units]!) return at
    const moved = this.add(unitsOf[size + 1]!)
    this.u8.copyWithin(moved, at, at + units * unit)
    this.give(at, size)
    return moved
  }

  /** A list of `units` that shall have fewer: where it lies then. */
  shrink(at: number, units: number, fewer: number): number {
    const from = sizeOf[units - 1]!
    const to = sizeOf[fewer - 1]!
    if (from === to) return at
    if (this.free[to] !== 0) {
      const moved = this.take(to)
      this.u8.copyWithin(moved, at, at + fewer * unit)
      this.give(at, from)
      return moved
    }
    this.split(at, from, to)
    return at
  }

  /** Frees a list of so many units. */
  remove(at: number, units: number): void {
    this.give(at, sizeOf[units - 1]!)
  }

  snapshot(): UnitsSnapshot {
    return {
      text: this.u8.slice(0, this.text),
      lists: this.u8.slice(this.start, this.low),
      contexts: this.u8.slice(this.high, this.end),
      free: this.free.slice()
    }
  }

  restore({ contexts, free, lists, text }: UnitsSnapshot): void {
    this.text = text.length
    this.low = this.start + lists.length
    this.high = this.end - contexts.length
    this.u8.set(text, 0)
    this.u8.set(lists, this.start)
    this.u8.set(contexts, this.high)
    this.free.set(free)
  }

  private give(at: number, size: number): void {
    this.u32[at >> 2] = this.free[size]!
    this.free[size] = at
  }

  private take(size: number): number {
    const at = this.free[size]!
    this.free[size] = this.u32[at >> 2]!
    return at
  }

  /** Frees what a block of one size has beyond another. */
  private split(at: number, from: number, to: number): void {
    const left = unitsOf[from]! - unitsOf[to]!
    const rest = at + unitsOf[to]! * unit
    let size = sizeOf[left - 1]!
    if (unitsOf[size] !== left) {
      size--
      const part = unitsOf[size]!
      this.give(rest + part * unit, left - part - 1)
    }
    this.give(rest, size)
  }
}
