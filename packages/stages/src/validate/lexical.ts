/**
 * How well each kind of lexical element is predicted. A model's token may span several elements, or a part of one: its bits are divided
 * evenly among its bytes, and each byte counts for the element that it belongs to. End tokens have no bytes and are left out.
 */
import type { Lexeme } from "../languages/Language.ts"
import type { LexicalFigures } from "./Report.ts"

const kinds = [
  "keyword",
  "punctuation",
  "identifier seen before in the document",
  "identifier not seen before",
  "literal",
  "comment",
  "white space"
] as const

/** For each byte of a text, the index of its kind. */
export const kindsOfBytes = (text: string, lexemes: ReadonlyArray<Lexeme>): Uint8Array => {
  const result = new Uint8Array(Buffer.byteLength(text))
  const seen = new Set<string>()
  let at = 0
  let byte = 0
  for (const { end, kind } of lexemes) {
    const element = text.slice(at, end)
    const name =
      kind === "identifier"
        ? seen.has(element)
          ? "identifier seen before in the document"
          : "identifier not seen before"
        : kind === "whitespace"
          ? "white space"
          : kind
    if (kind === "identifier") seen.add(element)
    const next = byte + Buffer.byteLength(element)
    result.fill(kinds.indexOf(name), byte, next)
    at = end
    byte = next
  }
  return result
}

/** Sums the bits of several predictors by kind, document by document. */
export class LexicalSums {
  private readonly bytes = new Float64Array(kinds.length)
  private readonly bits: ReadonlyMap<string, Float64Array>

  constructor(predictors: ReadonlyArray<string>) {
    this.bits = new Map(predictors.map((name) => [name, new Float64Array(kinds.length)]))
  }

  /**
   * @param byteKinds of the document's text; @param lengths bytes of each of its tokens, which together are those of the text
   * @param tokenBits bits of each token, by predictor
   */
  add(
    byteKinds: Uint8Array,
    lengths: ReadonlyArray<number>,
    tokenBits: (predictor: string) => ArrayLike<number>
  ): void {
    for (const kind of byteKinds) this.bytes[kind]!++
    for (const [predictor, sums] of this.bits) {
      const bits = tokenBits(predictor)
      let byte = 0
      for (const [index, length] of lengths.entries()) {
        for (let i = 0; i < length; i++) sums[byteKinds[byte++]!]! += bits[index]! / length
      }
    }
  }

  /** The kinds that occur. */
  figures(): ReadonlyArray<LexicalFigures> {
    const all = this.bytes.reduce((sum, each) => sum + each, 0)
    return kinds.flatMap((kind, index) => {
      const bytes = this.bytes[index]!
      if (bytes === 0) return []
      const bitsPerByte = Object.fromEntries(
        [...this.bits].map(([predictor, sums]) => [predictor, sums[index]! / bytes])
      )
      return { kind, bytes, share: bytes / all, bitsPerByte }
    })
  }
}
