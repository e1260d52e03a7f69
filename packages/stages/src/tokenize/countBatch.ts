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

/** Of each different word. */
export interface Result {
  readonly words: ReadonlyArray<string>
  readonly counts: ReadonlyArray<number>
  /** In how many documents it is; empty where that is not counted. */
  readonly documents: ReadonlyArray<number>
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

  /** All words with their numbers. */
  *words(): Generator<readonly [word: string, number: number]> {
    for (let at = 0; at < this.table.size; at++) yield [this.table.word(at), 2 * at]
    for (const [word, at] of this.#others) yield [word, 2 * at + 1]
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
      const all = [...tallies.words()]
      return {
        result: {
          words: all.map(([word]) => word),
          counts: all.map(([, number]) => tallies.counts[number]!),
          documents: documents ? all.map(([, number]) => tallies.documents[number]!) : [],
          origins: origins ? all.map(([, number]) => tallies.origins[number] ?? []) : []
        }
      }
    },
    close: texts.close
  }
}
