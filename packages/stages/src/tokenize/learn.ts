/** Counts a corpus's words and learns a vocabulary from them, in slices that let other work go on in between. */
import { Journal } from "@trainyard/core/Journal"
import { Effect, Stream } from "effect"
import * as TextRange from "../collect/TextRange.ts"
import type { SubsetReader } from "../split/SplitReader.ts"
import * as Pool from "../threads/Pool.ts"
import { open as openCounting, type Result, wordsOf } from "./countBatch.ts"
import { open as openLearning } from "./learning.ts"
import { mergeWords } from "./mergeWords.ts"
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

/** Text whose words a thread counts at once. */
const batchBytes = 1 << 22

/** How often each word occurs, in words that the vocabulary is learned from and in others. */
export interface WordCounts {
  readonly learned: ReadonlyMap<string, number>
  /** Words of too few documents or origins: they are counted, but the vocabulary is not learned from them. */
  readonly other: ReadonlyMap<string, number>
  /** Rare words that were forgotten, so that the others fit into memory: UTF-8 bytes of all their occurrences. */
  readonly forgottenBytes: number
}

/** In how many documents and origins, such as repositories, a word must occur. */
export interface Spread {
  readonly minimumDocuments: number
  readonly minimumOrigins: number
}

/** In how many documents each word occurs, and in which origins, as far as that is asked for: up to the smallest number that is enough. */
const spreadOf = ({ minimumDocuments, minimumOrigins }: Spread) => {
  const documents = new Map<string, number>()
  const origins = new Map<string, ReadonlyArray<number>>()
  return {
    add: (word: string, at: number, found: Result): void => {
      if (minimumDocuments > 1) documents.set(word, (documents.get(word) ?? 0) + found.documents[at]!)
      if (minimumOrigins === 1) return
      const before = origins.get(word) ?? []
      if (before.length < minimumOrigins)
        origins.set(word, [...new Set([...before, ...found.origins[at]!])].slice(0, minimumOrigins))
    },
    forget: (word: string): void => {
      documents.delete(word)
      origins.delete(word)
    },
    isEnough: (word: string): boolean =>
      (minimumDocuments === 1 || (documents.get(word) ?? 0) >= minimumDocuments) &&
      (minimumOrigins === 1 || (origins.get(word)?.length ?? 0) >= minimumOrigins)
  }
}

/** Numbers of names, in the order in which they are met. */
const numbered = () => {
  const numbers = new Map<string, number>()
  return (name: string): number => {
    const number = numbers.get(name) ?? numbers.size
    numbers.set(name, number)
    return number
  }
}

/**
 * Counts words, at most so many different ones: beyond that the rarest so far are forgotten, and counted from 1 where they come again (lossy
 * counting; Manku and Motwani 2002).
 */
const boundedCounts = (most: number, forget: (word: string) => void) => {
  const counts = new Map<string, number>()
  let forgottenBytes = 0
  let floor = 0
  return {
    counts,
    forgottenBytes: () => forgottenBytes,
    add: (word: string, count: number): void => void counts.set(word, (counts.get(word) ?? 0) + count),
    /** To be called between batches. */
    limit: (): void => {
      if (counts.size <= most) return
      while (counts.size > most / 2) {
        floor++
        for (const [word, count] of counts) {
          if (count > floor) continue
          forgottenBytes += count * Buffer.byteLength(word)
          counts.delete(word)
          forget(word)
        }
      }
      floor = 0
    }
  }
}

/** Different words that are counted. */
const maximumWords = 200_000

/**
 * Counts the words of a corpus on threads. Memory grows with the different words, up to `most` and those of some batches, and not with the
 * corpus.
 */
export const countWords = Effect.fn("tokenize.countWords")(function* (
  corpus: SubsetReader,
  words: RegExp,
  spread: Spread,
  most = maximumWords
) {
  const journal = yield* Journal
  const { minimumDocuments, minimumOrigins } = spread
  const isSpread = minimumDocuments > 1 || minimumOrigins > 1
  const originNumber = numbered()
  const { add, forget, isEnough } = spreadOf(spread)
  const bounded = boundedCounts(most, forget)
  const pool = yield* Pool.make({
    name: "Counting the words",
    worker: new URL("./countWorker.ts", import.meta.url),
    open: openCounting,
    setup: {
      file: corpus.textFile,
      words,
      documents: minimumDocuments > 1,
      origins: minimumOrigins > 1
    },
    bytes: corpus.bytes,
    heldBytes: TextRange.heldBytes(corpus.lengths)
  })
  const batches = Stream.fromIterable(TextRange.batchesOf(corpus.lengths, batchBytes)).pipe(
    Stream.mapEffect((batch) =>
      Effect.map(
        Effect.forEach(minimumOrigins > 1 ? TextRange.numbersOf(batch) : [], (id) =>
          Effect.map(corpus.document(id), ({ origin }) => originNumber(origin))
        ),
        (origins) => ({
          origins,
          offset: corpus.offsetOf(batch.first),
          lengths: [...corpus.lengths.subarray(batch.first, batch.end)]
        })
      )
    )
  )
  let done = 0
  yield* batches.pipe(
    Pool.mapBatches(pool, (batch) => batch),
    Stream.runForEach(({ batch, result }) => {
      let at = 0
      for (const word of wordsOf(result)) {
        bounded.add(word, result.counts[at]!)
        if (isSpread) add(word, at, result)
        at++
      }
      bounded.limit()
      done += batch.lengths.reduce((sum, length) => sum + length, 0)
      return journal.publish({ type: "Progress", done, total: corpus.bytes, unit: "bytes" })
    })
  )
  const { counts } = bounded
  const found: WordCounts = {
    learned: isSpread ? new Map([...counts].filter(([word]) => isEnough(word))) : counts,
    other: isSpread ? new Map([...counts].filter(([word]) => !isEnough(word))) : new Map(),
    forgottenBytes: bounded.forgottenBytes()
  }
  return found
}, Effect.scoped)

/** The requested vocabulary. */
export interface Wanted {
  /** Entries, special tokens included. */
  readonly size: number
  /** Whether a smaller vocabulary is accepted where the text gives no more: for a default size. */
  readonly orSmaller: boolean
  readonly minimumFrequency: number
  readonly minimumDocuments: number
  readonly minimumOrigins: number
  /** Special tokens of a byte-pair vocabulary: the end token, and the sentinels of fill-in-the-middle where they are wanted. */
  readonly specials: number
}

/** Which settings keep words out of the vocabulary, for messages. */
const limitsOf = ({ minimumDocuments, minimumOrigins }: Wanted): string =>
  [
    "see minimumFrequency",
    ...(minimumDocuments === 1 ? [] : ["minimumDocuments"]),
    ...(minimumOrigins === 1 ? [] : ["minimumOrigins"])
  ].join(" and ")

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

/** Words from which on a thread learns: it has memory of its own, which goes with it. */
const manyWords = 50_000

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
  const learning = yield* Pool.make({
    name: "Learning the merges",
    worker: new URL("./learningWorker.ts", import.meta.url),
    open: openLearning,
    setup: {
      words: [...words.learned.keys()],
      counts: [...words.learned.values()],
      size: size - specials,
      minimumFrequency
    },
    most: 1,
    heldBytes: 1000 * words.learned.size,
    bytes: words.learned.size < manyWords ? 0 : Number.POSITIVE_INFINITY
  })
  let step = yield* learning.run(null)
  while (!("learned" in step)) {
    yield* journal.publish({ type: "Progress", done: step.entries, total: size, unit: "entries" })
    yield* Effect.yieldNow
    step = yield* learning.run(null)
  }
  const { learned } = step
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
}, Effect.scoped)

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
