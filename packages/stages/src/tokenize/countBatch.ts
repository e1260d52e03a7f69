/** Counts the words of a batch of documents, on threads. */
import * as TextRange from "../collect/TextRange.ts"
import type { Opened } from "../threads/serve.ts"
import { isAscii, wordEnd } from "./asciiWords.ts"
import { bytePairWords, detached, split } from "./splitting.ts"
import { WordTable } from "./WordTable.ts"

export interface Setup {
  /** The split's `text.bin`. */
  readonly file: string
  /** What a word is. */
  readonly words: RegExp
  /** Whether it is counted in how many documents each word is, and in which origins. */
  readonly documents: boolean
  readonly origins: boolean
}

export interface Task extends TextRange.TextRange {
  /** Numbers of the documents' origins; empty where they are not counted. */
  readonly origins: ReadonlyArray<number>
}

/** Of each different word. Numbers and bytes go from thread to thread without a copy and leave no garbage, which strings do. */
export interface Result {
  /** The words in UTF-8, end to end, and where each ends. */
  readonly characters: Uint8Array<ArrayBuffer>
  readonly ends: Uint32Array<ArrayBuffer>
  readonly counts: Uint32Array<ArrayBuffer>
  /** In how many documents it is; empty where that is not counted. */
  readonly documents: Uint32Array<ArrayBuffer>
  /** In which origins it is; empty where that is not counted. */
  readonly origins: ReadonlyArray<ReadonlyArray<number>>
}

/** Counts by number: of the words of ASCII in a table, and then of the others. */
class Tallies {
  readonly table = new WordTable()
  readonly #others = new Map<string, number>()
  /** Of each word how often it occurs, in how many documents, and the last of these. Those of a table's words have even numbers. */
  readonly counts: Array<number> = []
  readonly documents: Array<number> = []
  readonly #last: Array<number> = []
  readonly origins: Array<Array<number>> = []

  /** The word that is characters `from` to `to - 1` of a text, of ASCII or not. */
  add(text: string, from: number, to: number, ascii: boolean, document: number, origin?: number): void {
    const number = ascii ? 2 * this.table.add(text, from, to) : 2 * this.#other(text.slice(from, to)) + 1
    this.counts[number] = (this.counts[number] ?? 0) + 1
    if (this.#last[number] === document) return
    this.#last[number] = document
    this.documents[number] = (this.documents[number] ?? 0) + 1
    if (origin === undefined) return
    const origins = this.origins[number]
    if (origins === undefined) this.origins[number] = [origin]
    else if (!origins.includes(origin)) origins.push(origin)
  }

  #other(word: string): number {
    const known = this.#others.get(word)
    if (known !== undefined) return known
    this.#others.set(detached(word), this.#others.size)
    return this.#others.size - 1
  }

  /** All words in UTF-8, end to end, where each ends, and the number of each. */
  words() {
    const known = this.table.all
    const others = Array.from(this.#others.keys(), (word) => Buffer.from(word))
    const size = known.ends.length + others.length
    const ends = new Uint32Array(size)
    ends.set(known.ends)
    let end = known.characters.length
    for (const [at, { length }] of others.entries()) ends[known.ends.length + at] = end += length
    const characters = new Uint8Array(end)
    characters.set(known.characters)
    for (const [at, word] of others.entries())
      characters.set(word, ends[known.ends.length + at]! - word.length)
    const numbers = Uint32Array.from({ length: size }, (_, at) =>
      at < known.ends.length ? 2 * at : 2 * (at - known.ends.length) + 1
    )
    return { characters, ends, numbers }
  }
}

/** The words of a result. */
export function* wordsOf({ characters, ends }: Result): Generator<string> {
  const buffer = Buffer.from(characters.buffer, characters.byteOffset, characters.length)
  let start = 0
  for (const end of ends) {
    yield buffer.toString("utf8", start, end)
    start = end
  }
}

export const open: Opened<Setup, Task, Result> = ({ documents, file, origins, words }) => {
  const texts = TextRange.open(file)
  const isPlain = words.source === bytePairWords.source
  return {
    work: (task) => {
      const tallies = new Tallies()
      for (const [document, text] of texts.read(task).entries()) {
        const origin = task.origins[document]
        if (isPlain && isAscii(text)) {
          for (let at = 0; at < text.length; ) {
            const end = wordEnd(text, at)
            tallies.add(text, at, end, true, document, origin)
            at = end
          }
        } else
          for (const word of split(text, words))
            tallies.add(word, 0, word.length, isAscii(word), document, origin)
      }
      const { characters, ends, numbers } = tallies.words()
      const result: Result = {
        characters,
        ends,
        counts: numbers.map((number) => tallies.counts[number]!),
        documents: documents ? numbers.map((number) => tallies.documents[number]!) : new Uint32Array(),
        origins: origins ? Array.from(numbers, (number) => tallies.origins[number] ?? []) : []
      }
      return { result, transfer: [characters.buffer, ends.buffer, result.counts.buffer] }
    },
    close: texts.close
  }
}
