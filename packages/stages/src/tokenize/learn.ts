/** Counts a corpus's words and learns a vocabulary from them, in slices that let other work go on in between. */
import { Journal } from "@trainyard/core/Journal"
import { Effect } from "effect"
import type { CorpusReader } from "../collect/CorpusReader.ts"
import { learnMerges } from "./learnMerges.ts"
import { detached, split } from "./splitting.ts"
import { ImpossibleVocabulary } from "./TokenizerError.ts"

export interface Vocabulary {
  /** Without special tokens, in the order of their ids. */
  readonly tokens: ReadonlyArray<string>
  readonly merges: ReadonlyArray<readonly [left: number, right: number]>
  readonly totalTokens: number
  readonly usedTokens: number
  /** Tokens of the corpus that the vocabulary does not have. */
  readonly unknownTokens: number
}

const sliceBytes = 1 << 19

/** How often each word occurs. Memory grows with the different words, not with the corpus. */
export const countWords = Effect.fn("tokenize.countWords")(function* (corpus: CorpusReader, words: RegExp) {
  const journal = yield* Journal
  const counts = new Map<string, number>()
  let done = 0
  let reported = 0
  for (let id = 0; id < corpus.documents; id++) {
    for (const word of split(yield* corpus.text(id), words)) {
      const count = counts.get(word)
      if (count === undefined) counts.set(detached(word), 1)
      else counts.set(word, count + 1)
    }
    done += corpus.lengths[id]!
    if (done - reported < sliceBytes) continue
    reported = done
    yield* journal.publish({ type: "Progress", done, total: corpus.bytes, unit: "bytes" })
    yield* Effect.yieldNow
  }
  return counts
})

const impossible = (asked: number, smallest: number, largest: number, why: string) =>
  new ImpossibleVocabulary({
    asked,
    smallest,
    largest,
    message:
      asked < smallest
        ? `vocabularySize ${asked} is too small: ${why} take ${smallest} entries. Set it to ${smallest} or more.`
        : `vocabularySize ${asked} is more than this corpus gives: the largest possible is ${largest} (${why}). Set it to ${largest} or less, or collect more.`
  })

/** Learns a byte-pair vocabulary of `size` entries, the end token included. */
export const learnBytePairs = Effect.fn("tokenize.learnBytePairs")(function* (
  words: ReadonlyMap<string, number>,
  size: number,
  minimumFrequency: number
) {
  const journal = yield* Journal
  if (size < 257) return yield* impossible(size, 257, 257, "the 256 bytes and the end token")
  const learning = learnMerges(words, size - 1, minimumFrequency)
  let step = learning.next()
  while (step.done !== true) {
    yield* journal.publish({ type: "Progress", done: step.value, total: size, unit: "entries" })
    yield* Effect.yieldNow
    step = learning.next()
  }
  const learned = step.value
  if (learned.tokens.length < size - 1) {
    return yield* impossible(
      size,
      257,
      learned.tokens.length + 1,
      `no pair of tokens is left that occurs ${minimumFrequency} times, see minimumFrequency`
    )
  }
  const vocabulary: Vocabulary = { ...learned, unknownTokens: 0 }
  return vocabulary
})

/** Takes the most frequent words, `size` of them with the two special tokens included. */
export const chooseWords = Effect.fn("tokenize.chooseWords")(function* (
  words: ReadonlyMap<string, number>,
  size: number,
  minimumFrequency: number
) {
  if (size < 3) return yield* impossible(size, 3, 3, "the unknown token, the end token and one word")
  const frequent = [...words].filter(([, count]) => count >= minimumFrequency)
  if (frequent.length + 2 < size) {
    return yield* impossible(
      size,
      3,
      frequent.length + 2,
      `${frequent.length} different words occur ${minimumFrequency} times or more, see minimumFrequency`
    )
  }
  const chosen = frequent.toSorted((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, size - 2)
  const totalTokens = [...words.values()].reduce((sum, count) => sum + count, 0)
  const known = chosen.reduce((sum, [, count]) => sum + count, 0)
  const vocabulary: Vocabulary = {
    tokens: chosen.map(([word]) => word),
    merges: [],
    totalTokens,
    usedTokens: chosen.length + (known < totalTokens ? 1 : 0),
    unknownTokens: totalTokens - known
  }
  return vocabulary
})
