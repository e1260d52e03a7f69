/**
 * Probabilities that a PPMd model learns beside its contexts: of the only symbol of a context, and of an escape from a context of which
 * some symbols are excluded (secondary escape estimation).
 */

/** Rows of the estimates of escapes, 16 in each; the one after them belongs to the context of all symbols and does not change. */
const seeRows = 25
export const fullSee = seeRows * 16
const periodBits = 7
const firstBinaryEscapes = [0x3cdd, 0x1f3f, 0x59bf, 0x48f3, 0x64a1, 0x5abc, 0x6632, 0x6051]

const rowTable = (): Uint8Array => {
  const rows = new Uint8Array(256)
  for (let i = 0; i < 3; i++) rows[i] = i
  for (let i = 3, row = 3, left = 1; i < 256; i++) {
    rows[i] = row
    if (--left === 0) left = ++row - 2
  }
  return rows
}
const rows = rowTable()

/** The row for so many symbols that are not excluded, 1 to 256. */
export const seeRowOf = (symbols: number): number => rows[symbols - 1]!

export interface EstimatesSnapshot {
  readonly binary: Uint16Array
  readonly sum: Uint16Array
  readonly shift: Uint8Array
  readonly count: Uint8Array
}

export class Estimates {
  /** Probability of the only symbol of a context, in 1/2^14. */
  readonly binary = new Uint16Array(128 * 64)
  private readonly sum = new Uint16Array(fullSee + 1)
  private readonly shift = new Uint8Array(fullSee + 1)
  private readonly count = new Uint8Array(fullSee + 1)

  constructor() {
    for (let i = 0; i < 128; i++) {
      for (let k = 0; k < 64; k++)
        this.binary[64 * i + k] = 0x4000 - Math.floor(firstBinaryEscapes[k & 7]! / (i + 2))
    }
    for (let row = 0; row < seeRows; row++) this.sum.fill((5 * row + 10) << 3, 16 * row, 16 * row + 16)
    this.shift.fill(periodBits - 4).fill(periodBits, fullSee)
    this.count.fill(4)
  }

  /** The frequency of an escape, by what escapes came to before. It is taken from the sum, to which `escaped` adds. */
  escapeFrequency(see: number): number {
    if (see === fullSee) return 1
    const frequency = this.sum[see]! >> this.shift[see]!
    this.sum[see]! -= frequency
    return frequency === 0 ? 1 : frequency
  }

  /** An escape came, of a total frequency. */
  escaped(see: number, total: number): void {
    this.sum[see]! += total
  }

  /** A symbol came, and no escape. */
  found(see: number): void {
    if (this.shift[see]! >= periodBits || --this.count[see]! !== 0) return
    this.sum[see]! <<= 1
    this.count[see] = 3 << this.shift[see]!++
  }

  snapshot(): EstimatesSnapshot {
    return {
      binary: this.binary.slice(),
      sum: this.sum.slice(),
      shift: this.shift.slice(),
      count: this.count.slice()
    }
  }

  restore({ binary, count, shift, sum }: EstimatesSnapshot): void {
    this.binary.set(binary)
    this.sum.set(sum)
    this.shift.set(shift)
    this.count.set(count)
  }
}
