/** Counts the words of a batch of documents, on threads. */
import * as TextRange from "../collect/TextRange.ts"
import type { Opened } from "../threads/serve.ts"
import { detached, split } from "./splitting.ts"

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

/** Of each different word, in the order in which they were met. */
export interface Result {
  readonly words: ReadonlyArray<string>
  readonly counts: Uint32Array<ArrayBuffer>
  /** In how many documents it is; empty where that is not counted. */
  readonly documents: Uint32Array<ArrayBuffer>
  /** In which origins it is; empty where that is not counted. */
  readonly origins: ReadonlyArray<ReadonlyArray<number>>
}

/** What is known of a word. */
interface Tally {
  count: number
  documents: number
  /** The document that it was last met in. */
  last: number
  origins: Array<number> | undefined
}

export const open: Opened<Setup, Task, Result> = ({ documents, file, origins, words }) => {
  const texts = TextRange.open(file)
  return {
    work: (task) => {
      const tallies = new Map<string, Tally>()
      for (const [document, text] of texts.read(task).entries()) {
        for (const word of split(text, words)) {
          let tally = tallies.get(word)
          if (tally === undefined) {
            tally = { count: 0, documents: 0, last: -1, origins: origins ? [] : undefined }
            tallies.set(detached(word), tally)
          }
          tally.count++
          if (tally.last === document) continue
          tally.last = document
          tally.documents++
          const origin = task.origins[document]
          if (origin !== undefined && tally.origins?.includes(origin) === false) tally.origins.push(origin)
        }
      }
      const all = [...tallies.values()]
      return {
        result: {
          words: [...tallies.keys()],
          counts: Uint32Array.from(all, ({ count }) => count),
          documents: documents ? Uint32Array.from(all, (tally) => tally.documents) : new Uint32Array(),
          origins: origins ? all.map((tally) => tally.origins ?? []) : []
        }
      }
    },
    close: texts.close
  }
}
