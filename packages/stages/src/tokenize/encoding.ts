/** Text to token ids, without Effect: for threads too. What it needs is plain data. */
import type { Tokenizer as Library } from "tokenizers"
import { isAscii, wordEnd } from "./asciiWords.ts"
import { bytePairWords, isSettled, split } from "./splitting.ts"
import { WordTable } from "./WordTable.ts"
import { type WordEncoder, type WordModel, wordEncoderOf } from "./wordEncoder.ts"

/** How texts are encoded. */
export interface Encoding {
  /** A tokenizer.json, as the `tokenizers` library reads it. */
  readonly json: string
  /** The rule that cuts text into words, each independent of the text around it; undefined where it is unknown here. */
  readonly words: RegExp | undefined
  /** How words are encoded; undefined where only the library can. */
  readonly model: WordModel | undefined
}

/** Ids of each text, without special tokens. */
export type Encode = (texts: ReadonlyArray<string>) => Promise<ReadonlyArray<Uint32Array>>

/** Words that are remembered, and characters of the longest of them. */
const maximumRemembered = 200_000
const longestRemembered = 64

const encodeWith = async (library: Library, texts: ReadonlyArray<string>) => {
  const encoded = await library.encodeBatch([...texts], { addSpecialTokens: false })
  return encoded.map((encoding) => Uint32Array.from(encoding.getIds()))
}

/** Numbers in a row that grows. */
class Ids {
  values = new Uint32Array(1024)
  length = 0

  push(id: number): void {
    if (this.length === this.values.length) {
      const wider = new Uint32Array(2 * this.length)
      wider.set(this.values)
      this.values = wider
    }
    this.values[this.length++] = id
  }
}

/** Words with their ids, until they are too many. */
class Remembered {
  readonly words = new WordTable()
  readonly ids = new Ids()
  /** Where the ids of each word end. */
  readonly ends = new Ids()
}

/** Encodes word by word, each different one once. */
const wordwise = (encodeWord: WordEncoder, words: RegExp) => {
  let remembered = new Remembered()
  /** Adds the ids of a word, characters `from` to `to - 1` of a text. */
  const add = (into: Ids, text: string, from: number, to: number, ascii: boolean): void => {
    if (!ascii || to - from > longestRemembered) {
      for (const id of encodeWord(text.slice(from, to))) into.push(id)
      return
    }
    const { ends, ids, words: table } = remembered
    const known = table.size
    const number = table.add(text, from, to)
    if (number === known) {
      for (const id of encodeWord(text.slice(from, to))) ids.push(id)
      ends.push(ids.length)
    }
    const end = ends.values[number]!
    for (let at = number === 0 ? 0 : ends.values[number - 1]!; at < end; at++) into.push(ids.values[at]!)
  }
  const isPlain = words.source === bytePairWords.source
  const into = new Ids()
  return (text: string): Uint32Array => {
    into.length = 0
    if (isPlain && isAscii(text)) {
      for (let at = 0; at < text.length; ) {
        const end = wordEnd(text, at)
        add(into, text, at, end, true)
        at = end
      }
    } else for (const word of split(text, words)) add(into, word, 0, word.length, isAscii(word))
    if (remembered.words.size > maximumRemembered) remembered = new Remembered()
    return into.values.slice(0, into.length)
  }
}

/**
 * Opens an encoder, which loads the library when it needs it. A text that the rule of words and the library might cut differently is encoded by
 * the library as a whole, as is all text of a tokenizer whose words are not encoded here. It fails where the library refuses the tokenizer.json; `given` is one that is open.
 */
export const open = ({ json, model, words }: Encoding, given?: Library): Encode => {
  let library = given
  const byLibrary = async (texts: ReadonlyArray<string>) => {
    if (texts.length === 0) return []
    library ??= (await import("tokenizers")).Tokenizer.fromString(json)
    return encodeWith(library, texts)
  }
  if (words === undefined || model === undefined) return byLibrary
  const encode = wordwise(wordEncoderOf(model), words)
  return async (texts) => {
    const settled = texts.map(isSettled)
    const whole = await byLibrary(texts.filter((_, index) => !settled[index]))
    let next = 0
    return texts.map((text, index) => (settled[index] ? encode(text) : whole[next++]!))
  }
}
