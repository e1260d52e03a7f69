/** Encodes batches of documents, on threads. */
import * as TextRange from "../collect/TextRange.ts"
import type { Opened } from "../threads/serve.ts"
import * as Encoding from "../tokenize/encoding.ts"

export interface Setup {
  /** The split's `text.bin`. */
  readonly file: string
  readonly encoding: Encoding.Encoding
}

export interface Result {
  /** The ids of all documents, end to end. */
  readonly ids: Uint32Array<ArrayBuffer>
  /** How many of them are each document's. */
  readonly lengths: ReadonlyArray<number>
}

export const open: Opened<Setup, TextRange.TextRange, Result> = ({ encoding, file }) => {
  const encode = Encoding.open(encoding)
  const texts = TextRange.open(file)
  return {
    work: async (range) => {
      const encoded = await encode(texts.read(range))
      const lengths = encoded.map(({ length }) => length)
      const ids = new Uint32Array(lengths.reduce((sum, length) => sum + length, 0))
      let at = 0
      for (const each of encoded) {
        ids.set(each, at)
        at += each.length
      }
      return { result: { ids, lengths }, transfer: [ids.buffer] }
    },
    close: texts.close
  }
}
