/** The range encoder of 7-Zip's PPMd: turns a sequence of ranges into bytes, a carry included. */

const top = 2 ** 24
const wrap = 2 ** 32

/** Where an encoder stands; see `RangeEncoder.position`. */
export interface Position {
  readonly low: number
  readonly range: number
  readonly cache: number
  readonly pending: number
  readonly shifts: number
  readonly written: number
}

export class RangeEncoder {
  private low = 0
  private range = 0xffffffff
  private cache = 0
  /** Bytes that a carry may still change. */
  private pending = 1
  private shifts = 0
  private written = 0
  private output = new Uint8Array(1024)

  /** Bytes of the output, if it ended here. */
  get size(): number {
    return this.shifts + 5
  }

  /** Encodes a part of a range that is divided into `total` parts: `size` of them from `start` on. */
  encode(start: number, size: number, total: number): void {
    const step = Math.floor(this.range / total)
    this.low += start * step
    this.range = step * size
    this.normalize()
  }

  /** Encodes one of two outcomes; `probability` of the first in 1/2^14. */
  encodeBit(second: boolean, probability: number): void {
    const bound = (this.range >>> 14) * probability
    if (second) {
      this.low += bound
      this.range -= bound
    } else this.range = bound
    this.normalize()
  }

  /** The output with all that is pending. Nothing may be encoded after it. */
  finish(): Uint8Array {
    for (let i = 0; i < 5; i++) this.shift()
    return this.output.slice(0, this.written)
  }

  position(): Position {
    const { cache, low, pending, range, shifts, written } = this
    return { cache, low, pending, range, shifts, written }
  }

  /** Goes back to a position, from which nothing but the same bytes may be encoded again. */
  restore(position: Position): void {
    this.low = position.low
    this.range = position.range
    this.cache = position.cache
    this.pending = position.pending
    this.shifts = position.shifts
    this.written = position.written
  }

  private normalize(): void {
    while (this.range < top) {
      this.range *= 256
      this.shift()
    }
  }

  private shift(): void {
    this.shifts++
    const low = this.low >= wrap ? this.low - wrap : this.low
    if (low < 0xff000000 || this.low >= wrap) {
      const carry = this.low >= wrap ? 1 : 0
      let byte = this.cache
      for (; this.pending > 0; this.pending--) {
        this.write((byte + carry) & 0xff)
        byte = 0xff
      }
      this.cache = low >>> 24
    }
    this.pending++
    this.low = (low % top) * 256
  }

  private write(byte: number): void {
    if (this.written === this.output.length) {
      const longer = new Uint8Array(2 * this.output.length)
      longer.set(this.output)
      this.output = longer
    }
    this.output[this.written++] = byte
  }
}
