/**
 * Pre-tokenization: how text is cut into words before they are encoded. tokenizer.json has the same rules in the notation of the
 * `tokenizers` library; a test compares the two.
 */

/**
 * GPT-2's rule: contractions, letters, digits and other signs, each with one space before it, and runs of white space. It takes
 * every character, so the words joined are the text.
 */
export const bytePairWords =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu

/** How a rule differs from GPT-2's. */
export interface SplittingOptions {
  /** White space with a line break is one word to its end: the line break with the whole indentation of the next line. */
  readonly wholeIndentation: boolean
  /** Each digit is a word. */
  readonly singleDigits: boolean
}

/** A rule in the notation of the `tokenizers` library (Oniguruma), and as a regular expression. It takes every character too. */
export interface Splitting {
  readonly pattern: string
  readonly words: RegExp
}

/** The rule of these options; undefined for GPT-2's own. */
export const bytePairSplitting = ({
  singleDigits,
  wholeIndentation
}: SplittingOptions): Splitting | undefined => {
  if (!singleDigits && !wholeIndentation) return undefined
  const pattern = [
    "'s|'t|'re|'ve|'m|'ll|'d",
    " ?\\p{L}+",
    singleDigits ? "\\p{N}" : " ?\\p{N}+",
    " ?[^\\s\\p{L}\\p{N}]+",
    ...(wholeIndentation ? ["\\s*[\\r\\n]+[\\t ]*"] : []),
    "\\s+(?!\\S)",
    "\\s+"
  ].join("|")
  // `\s` of JavaScript has one character more than Unicode's white space.
  const words = pattern.replaceAll("\\s", "\\p{White_Space}").replaceAll("\\S", "\\P{White_Space}")
  return { pattern, words: new RegExp(words, "gu") }
}

/** All rules for byte pairs besides GPT-2's. */
export const bytePairSplittings: ReadonlyArray<Splitting> = [
  bytePairSplitting({ singleDigits: true, wholeIndentation: false }),
  bytePairSplitting({ singleDigits: false, wholeIndentation: true }),
  bytePairSplitting({ singleDigits: true, wholeIndentation: true })
].filter((splitting) => splitting !== undefined)

/** A simple lexer's rule: identifiers, numbers, line breaks, runs of spaces or tabs, and every other character by itself. */
export const lexerPattern =
  "[\\p{L}_][\\p{L}\\p{M}\\p{N}_]*|\\p{N}+|\\n|\\x20+|\\t+|[^\\p{L}\\p{N}_\\n\\x20\\t]"

export const lexerWords = new RegExp(lexerPattern, "gu")

/**
 * Characters of blocks whose letters and digits are settled: Latin, Greek, Cyrillic, punctuation and symbols, CJK, Hangul, emoji. Elsewhere
 * Unicode still adds letters, and two programs may disagree on whether a character is one.
 */
const unsettled =
  /[^\p{ASCII}\u0080-\u04ff\u2000-\u2bff\u3000-\u9fff\uac00-\ud7a3\uff00-\uffef\u{1f000}-\u{1faff}]/u

/** Whether every program cuts this text alike. */
export const isSettled = (text: string): boolean => !unsettled.test(text)

/**
 * The word in memory of its own. V8 keeps a piece of a text as a view of the whole text: a word that is to be remembered would keep its
 * document in memory.
 */
export const detached = (word: string): string => (word.length < 13 ? word : ` ${word}`.slice(1))

export const split = (text: string, words: RegExp): ReadonlyArray<string> => text.match(words) ?? []

/**
 * The letter for each byte in a byte-level vocabulary: itself where it is printable, one from U+0100 on otherwise.
 * Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", encoder.py.
 */
export const letterOfByte: ReadonlyArray<string> = (() => {
  const printable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff)
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++))
})()
