/** The words of ASCII text by GPT-2's rule, as `bytePairWords` gives them, and some times as fast. */

const space = 1
const letter = 2
const digit = 3
const sign = 4

/** The kind of each ASCII character. */
const kinds = Uint8Array.from({ length: 128 }, (_, code) => {
  if ((code >= 9 && code <= 13) || code === 32) return space
  if ((code >= 65 && code <= 90) || (code >= 97 && code <= 122)) return letter
  return code >= 48 && code <= 57 ? digit : sign
})

const blank = 32
const apostrophe = 39

/** Characters of a contraction such as `'s` or `'ll` that begins at an apostrophe; 0 where none does. */
const contraction = (text: string, at: number): number => {
  switch (text[at + 1]) {
    case "s":
    case "t":
    case "m":
    case "d":
      return 2
    case "r":
    case "v":
      return text[at + 2] === "e" ? 3 : 0
    case "l":
      return text[at + 2] === "l" ? 3 : 0
    default:
      return 0
  }
}

/** Where the word ends that begins with a run of white space of this length. What follows takes one blank with it. */
const spaceEnd = (at: number, runEnd: number, length: number): number =>
  runEnd === length || runEnd === at + 1 ? runEnd : runEnd - 1

/** Where the word that begins at `at` ends. */
export const wordEnd = (text: string, at: number): number => {
  const code = text.charCodeAt(at)
  if (code === apostrophe) {
    const length = contraction(text, at)
    if (length > 0) return at + length
  }
  let end = code === blank && at + 1 < text.length ? at + 1 : at
  let kind = kinds[text.charCodeAt(end)]
  // White space that nothing takes as its blank.
  if (kind === space) {
    end = at
    kind = space
  }
  do end++
  while (end < text.length && kinds[text.charCodeAt(end)] === kind)
  return kind === space ? spaceEnd(at, end, text.length) : end
}

/** Whether a text is ASCII alone. */
export const isAscii = (text: string): boolean => {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 127) return false
  return true
}
