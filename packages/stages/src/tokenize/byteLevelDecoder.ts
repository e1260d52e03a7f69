/**
 * Text of a byte-level vocabulary, whose tokens write each byte as one character: printable ones of Latin-1 as themselves, the others as the
 * characters from U+0100 on, in order. It is the text that the `tokenizers` library decodes, without its round trip to another thread, which
 * costs more than drawing a token.
 *
 * Source of the characters: GPT-2's encoder, `bytes_to_unicode`.
 */
import { bytesByCharacter } from "./byteLevel.ts"

/** Decodes ids. One that has no token adds nothing; bytes that are no whole character become U+FFFD. */
export const byteLevelDecoder = (
  tokens: Iterable<readonly [token: string, id: number]>
): ((ids: ReadonlyArray<number>) => string) => {
  const byteOf = bytesByCharacter()
  const bytesOf = new Map<number, ReadonlyArray<number>>()
  for (const [token, id] of tokens) {
    const bytes = Array.from(token, (character) => byteOf.get(character))
    // A token with another character stands for its own text.
    const isBytes = bytes.every((byte) => byte !== undefined)
    bytesOf.set(id, isBytes ? bytes : [...Buffer.from(token)])
  }
  // As Rust's from_utf8_lossy: a byte order mark is text.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  return (ids) => decoder.decode(Uint8Array.from(ids.flatMap((id) => bytesOf.get(id) ?? [])))
}
