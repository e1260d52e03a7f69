/** Texts for PPMd: every byte value, long repeats, and words in a drawn order. */
import { draws } from "../../src/model/draws.ts"

/** The same number of bytes from the same seed. */
export const someText = (bytes: number, seed: number): Uint8Array => {
  const draw = draws("ppmd", seed)
  const text = new Uint8Array(bytes)
  const words = Array.from({ length: 300 }, () =>
    Array.from({ length: 1 + Math.floor(9 * draw()) }, () => 97 + Math.floor(26 * draw() ** 2))
  )
  let at = 0
  while (at < bytes) {
    const kind = draw()
    const piece =
      kind < 0.01
        ? Array.from({ length: 40 }, () => Math.floor(256 * draw()))
        : kind < 0.05 && at > 500
          ? Array.from(text.subarray(at - 500, at - 500 + Math.floor(300 * draw())))
          : [...words[Math.floor(300 * draw() ** 3)]!, 32]
    for (const byte of piece) if (at < bytes) text[at++] = byte
  }
  return text
}
