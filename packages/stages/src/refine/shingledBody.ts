/** The shingles of a document as near-duplicates are compared. */
import { headerOf } from "./headers.ts"
import { allShinglesOf, type Buffers, shinglesOf } from "./shingles.ts"

export interface ShingleSettings {
  readonly shingleTokens: number
}

/** What is compared of a text: the comment at the top is not, where there is more than it. Short files would be alike by their licence alone. */
const compared = <A extends Uint32Array>(text: string, of: (text: string) => A): A => {
  const header = headerOf(text)
  if (header === undefined) return of(text)
  const found = of(text.slice(0, header.from) + text.slice(header.to))
  return found.length === 0 ? of(text) : found
}

/** All of them, in the text's order, for the keys; valid until the buffers are used again. */
export const bodyOf = (text: string, { shingleTokens }: ShingleSettings, buffers: Buffers): Uint32Array =>
  compared(text, (body) => allShinglesOf(body, shingleTokens, buffers))

/** The different ones in ascending order, for the exact comparison. */
export const setOf = (text: string, { shingleTokens }: ShingleSettings, buffers: Buffers): Uint32Array =>
  compared(text, (body) => shinglesOf(body, shingleTokens, buffers))
