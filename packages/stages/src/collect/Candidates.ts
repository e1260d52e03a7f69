/** The documents that may be kept, as rows of numbers: 20 bytes each. All else that is known of them lies on disk. */
import { Row } from "./Row.ts"

/** Names and their numbers, in the order in which they are met. */
class Names {
  readonly list: Array<string> = []
  readonly #numbers = new Map<string, number>()

  numberOf(name: string): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    this.#numbers.set(name, this.list.length)
    return this.list.push(name) - 1
  }
}

/** Documents, and their bytes, of a name such as a kind. */
export interface Sum {
  readonly name: string
  readonly documents: number
  readonly bytes: number
}

export class Candidates {
  /** No document is as large as 4 GB: `maximumTextBytes`. */
  readonly #bytes = new Row(Uint32Array)
  readonly #ranks = new Row(Float64Array)
  readonly #kinds = new Row(Uint32Array)
  readonly #encodings = new Row(Uint32Array)
  readonly #kindNames = new Names()
  readonly #encodingNames = new Names()

  add(document: {
    readonly kind: string
    readonly bytes: number
    /** Its place in the draw, by `rankOf`. */
    readonly rank: number
    /** What it was decoded from; undefined for UTF-8. */
    readonly encoding: string | undefined
  }): void {
    this.#bytes.push(document.bytes)
    this.#ranks.push(document.rank)
    this.#kinds.push(this.#kindNames.numberOf(document.kind))
    this.#encodings.push(this.#encodingNames.numberOf(document.encoding ?? ""))
  }

  get length(): number {
    return this.#bytes.length
  }

  bytesOf(index: number): number {
    return this.#bytes.values[index]!
  }

  rankOf(index: number): number {
    return this.#ranks.values[index]!
  }

  kindOf(index: number): string {
    return this.#kindNames.list[this.#kinds.values[index]!]!
  }

  /** All kinds, in the order in which they were met. */
  get kinds(): ReadonlyArray<string> {
    return this.#kindNames.list
  }

  /** The chosen documents by kind, most first. */
  byKind(isChosen: Uint8Array): ReadonlyArray<Sum> {
    return this.#sums(isChosen, this.#kinds, this.#kindNames)
  }

  /** The chosen documents by the encoding that they were decoded from, most first; the name of UTF-8 is "". */
  byEncoding(isChosen: Uint8Array): ReadonlyArray<Sum> {
    return this.#sums(isChosen, this.#encodings, this.#encodingNames)
  }

  #sums(isChosen: Uint8Array, numbers: Row<Uint32Array>, names: Names): ReadonlyArray<Sum> {
    const sums = names.list.map((name) => ({ name, documents: 0, bytes: 0 }))
    for (let index = 0; index < this.length; index++) {
      if (isChosen[index] === 0) continue
      const sum = sums[numbers.values[index]!]!
      sum.documents++
      sum.bytes += this.bytesOf(index)
    }
    return sums
      .filter(({ documents }) => documents > 0)
      .toSorted((a, b) => b.documents - a.documents || (a.name < b.name ? -1 : 1))
  }
}
