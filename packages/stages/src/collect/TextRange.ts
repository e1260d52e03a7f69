/** Reads the texts of neighbouring documents from a corpus's `text.bin`, at once: for threads, which have no Effect. */
import { closeSync, openSync, readSync } from "node:fs"
import { maximumTextBytes } from "./maximumTextBytes.ts"

/** Documents that lie one after the other in `text.bin`: where the first begins, and the bytes of each. */
export interface TextRange {
  readonly offset: number
  readonly lengths: ReadonlyArray<number>
}

/** Opens a file of texts. Throws where it cannot be read, or a range is not in it. */
export const open = (file: string) => {
  const descriptor = openSync(file, "r")
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  let buffer = new Uint8Array()
  return {
    read: ({ lengths, offset }: TextRange): ReadonlyArray<string> => {
      const size = lengths.reduce((sum, length) => sum + length, 0)
      if (lengths.some((length) => length > maximumTextBytes))
        throw new Error(`a text of ${file} is longer than JavaScript holds`)
      if (buffer.length < size) buffer = new Uint8Array(size)
      for (let done = 0; done < size; ) {
        const read = readSync(descriptor, buffer, done, size - done, offset + done)
        if (read === 0) throw new Error(`${file} ends early: it was cut while in use`)
        done += read
      }
      let at = 0
      return lengths.map((length) => decoder.decode(buffer.subarray(at, (at += length))))
    },
    close: (): void => closeSync(descriptor)
  }
}

/** Numbers of neighbouring documents, from `first` to `end - 1`. */
export interface Batch {
  readonly first: number
  readonly end: number
}

/** Neighbouring documents in batches of about so many bytes, at least one document each: the same ones for the same lengths. */
export function* batchesOf(lengths: ArrayLike<number>, bytes: number): Generator<Batch> {
  for (let first = 0; first < lengths.length; ) {
    let end = first + 1
    let size = lengths[first]!
    while (end < lengths.length && size + lengths[end]! <= bytes) size += lengths[end++]!
    yield { first, end }
    first = end
  }
}

export const numbersOf = ({ end, first }: Batch): ReadonlyArray<number> =>
  Array.from({ length: end - first }, (_, at) => first + at)

/** Bytes of the longest text, some times: what a thread holds of it at once. */
export const heldBytes = (lengths: Float64Array): number =>
  16 * lengths.reduce((longest, length) => Math.max(longest, length), 0)
