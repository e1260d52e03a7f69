/** Counts a corpus's words and learns a vocabulary from them, in slices that let other work go on in between. */
import { Journal } from "@trainyard/core/Journal"
import { Effect } from "effect"
import type { SubsetReader } from "../split/SplitReader.ts"
import { learnMerges } from "./learnMerges.ts"
import { mergeWords } from "./mergeWords.ts"
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

/** How often each word occurs, in words that the vocabulary is learned from and in others. */
export interface WordCounts {
  readonly learned: ReadonlyMap<string, number>
  /** Words of too few documents: they are counted, but the vocabulary is not learned from them. */
  readonly other: ReadonlyMap<string, number>
}

/** In how many documents each word occurs; not counted where one document is enough. */
const tallyOf = (minimumDocuments: number) => {
  const documents = new Map<string, number>()
  return {
    /** Counts the words of one document. */
    add: (words: ReadonlyArray<string>): void => {
      if (minimumDocuments === 1) return
      for (const word of new Set(words)) {
        const before = documents.get(word)
        documents.set(before === undefined ? detached(word) : word, (before ?? 0) + 1)
      }
    },
    isFrequent: (word: string): boolean => minimumDocuments === 1 || documents.get(word)! >= minimumDocuments
  }
}

/** Counts the words of a corpus. Memory grows with the different words, not with the corpus. */
export const countWords = Effect.fn("tokenize.countWords")(function* (
  corpus: SubsetReader,
  words: RegExp,
  minimumDocuments: number
) {
  const journal = yield* Journal
  const counts = new Map<string, number>()
  const tally = tallyOf(minimumDocuments)
  let done = 0
  let reported = 0
  for (let id = 0; id < corpus.documents; id++) {
    const list = split(yield* corpus.text(id), words)
    for (const word of list) {
      const count = counts.get(word)
      if (count === undefined) counts.set(detached(word), 1)
      else counts.set(word, count + 1)
    }
    tally.add(list)
    done += corpus.lengths[id]!
    if (done - reported < sliceBytes) continue
    reported = done
    yield* journal.publish({ type: "Progress", done, total: corpus.bytes, unit: "bytes" })
    yield* Effect.yieldNow
  }
  if (minimumDocuments === 1) {
    const all: WordCounts = { learned: counts, other: new Map() }
    return all
  }
  const divided: WordCounts = {
    learned: new Map([...counts].filter(([word]) => tally.isFrequent(word))),
    other: new Map([...counts].filter(([word]) => !tally.isFrequent(word)))
  }
  return divided
})

/** The requested vocabulary. */
export interface Wanted {
  /** Entries, special tokens included. */
  readonly size: number
  /** Whether a smaller vocabulary is accepted where the text gives no more: for a default size. */
  readonly orSmaller: boolean
  readonly minimumFrequency: number
  readonly minimumDocuments: number
  /** Special tokens of a byte-pair vocabulary: the end token, and the sentinels of fill-in-the-middle where they are wanted. */
  readonly specials: number
}

/** Which settings keep words out of the vocabulary, for messages. */
const limitsOf = ({ minimumDocuments }: Wanted): string =>
  minimumDocuments === 1 ? "see minimumFrequency" : "see minimumFrequency and minimumDocuments"

const impossible = (requested: number, smallest: number, largest: number, why: string) =>
  new ImpossibleVocabulary({
    requested,
    smallest,
    largest,
    message:
      requested < smallest
        ? `vocabularySize ${requested} is too small: ${why} take ${smallest} entries. Set it to ${smallest} or more.`
        : `vocabularySize ${requested} is more than the training split gives: the largest possible is ${largest} (${why}). Set it to ${largest} or less, or collect more.`
  })

/** Learns a byte-pair vocabulary, its special tokens included in its size. */
export const learnBytePairs = Effect.fn("tokenize.learnBytePairs")(function* (
  words: WordCounts,
  wanted: Wanted
) {
  const { minimumFrequency, orSmaller, size, specials } = wanted
  const journal = yield* Journal
  const smallest = 256 + specials
  if (size < smallest)
    return yield* impossible(
      size,
      smallest,
      smallest,
      specials === 1 ? "the 256 bytes and the end token" : `the 256 bytes and ${specials} special tokens`
    )
  const learning = learnMerges(words.learned, size - specials, minimumFrequency)
  let step = learning.next()
  while (step.done !== true) {
    yield* journal.publish({ type: "Progress", done: step.value, total: size, unit: "entries" })
    yield* Effect.yieldNow
    step = learning.next()
  }
  const learned = step.value
  if (!orSmaller && learned.tokens.length < size - specials) {
    return yield* impossible(
      size,
      smallest,
      learned.tokens.length + specials,
      `no pair of tokens is left that occurs ${minimumFrequency} times, ${limitsOf(wanted)}`
    )
  }
  const other = mergeWords(words.other, learned)
  const vocabulary: Vocabulary = {
    tokens: learned.tokens,
    merges: learned.merges,
    totalTokens: learned.totalTokens + other.totalTokens,
    usedTokens: new Set([...learned.usedTokens, ...other.usedTokens]).size,
    unknownTokens: 0
  }
  return vocabulary
})

/** Takes the most frequent words, the two special tokens included in the vocabulary's size. */
export const chooseWords = Effect.fn("tokenize.chooseWords")(function* (words: WordCounts, wanted: Wanted) {
  const { minimumFrequency, orSmaller, size } = wanted
  if (size < 3) return yield* impossible(size, 3, 3, "the unknown token, the end token and one word")
  const frequent = [...words.learned].filter(([, count]) => count >= minimumFrequency)
  if (!orSmaller && frequent.length + 2 < size) {
    return yield* impossible(
      size,
      3,
      frequent.length + 2,
      `${frequent.length} different words occur ${minimumFrequency} times or more, ${limitsOf(wanted)}`
    )
  }
  const chosen = frequent.toSorted((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, size - 2)
  const totalTokens = [...words.learned.values(), ...words.other.values()].reduce(
    (sum, count) => sum + count,
    0
  )
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
