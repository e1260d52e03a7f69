/**
 * Bytes of byte-level tokens. A byte-level vocabulary writes each byte as one printable character: those that are printable as themselves,
 * the others from U+0100 on (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; `bytes_to_unicode` in its code).
 */

const printable = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae

/** The byte that each character stands for. */
export const bytesByCharacter = (): ReadonlyMap<string, number> => {
  const bytes = new Map<string, number>()
  let others = 0
  for (let byte = 0; byte < 256; byte++)
    bytes.set(String.fromCharCode(printable(byte) ? byte : 0x100 + others++), byte)
  return bytes
}

/** Bytes of each id, by id; undefined for ids that stand for no text, such as special tokens. */
export const bytesOfTokens = (
  vocabulary: ReadonlyArray<readonly [token: string, id: number]>,
  special: ReadonlySet<number>,
  vocabularySize: number
): ReadonlyArray<Uint8Array | undefined> => {
  const byCharacter = bytesByCharacter()
  const all: Array<Uint8Array | undefined> = Array.from({ length: vocabularySize }, () => undefined)
  for (const [token, id] of vocabulary) {
    const bytes = Array.from(token, (character) => byCharacter.get(character))
    if (!special.has(id) && !bytes.includes(undefined)) all[id] = Uint8Array.from(bytes, (byte) => byte ?? 0)
  }
  return all
}
