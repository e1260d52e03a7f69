/**
 * Learns the merges of byte-pair encoding from counted words: again and again, the pair of neighbouring tokens that occurs most often
 * becomes a token of its own. Source: Sennrich, Haddow and Birch 2016, "Neural Machine Translation of Rare Words with Subword Units".
 *
 * The `tokenizers` library's own trainer cannot be used from Node for this: there it always learns 30,000 entries, reads line by line
 * so that line breaks and the indentation after them are never merged, leaves out bytes that the text lacks, and draws a bar on
 * standard error. Given the same words, both learn the same merges (a test compares them).
 */
import { letterOfByte } from "./splitting.ts"
import { empty, WordLists } from "./WordLists.ts"

export interface Learned {
  /** Every token's text in byte letters, by id: the 256 bytes first, in the order of their letters. */
  readonly tokens: ReadonlyArray<string>
  /** Pairs of ids in the order in which they were merged. */
  readonly merges: ReadonlyArray<readonly [left: number, right: number]>
  /** How many tokens the counted words make in this vocabulary, and which. */
  readonly totalTokens: number
  readonly usedTokens: ReadonlySet<number>
}

/** Two neighbouring tokens, how often they occur, and words in which they do (some perhaps no longer). */
interface Pair {
  readonly left: number
  readonly right: number
  count: number
  /** A list of `WordLists`, the latest word first. */
  words: number
}

/** A pair with the count that it had when it was queued. */
interface Entry {
  readonly pair: Pair
  readonly count: number
}

const before = (a: Entry, b: Entry): boolean =>
  a.count !== b.count
    ? a.count > b.count
    : a.pair.left !== b.pair.left
      ? a.pair.left < b.pair.left
      : a.pair.right < b.pair.right

/** The most frequent pair on top; equal ones by their ids, so that learning is the same everywhere. */
class Heap {
  private readonly items: Array<Entry> = []

  push(entry: Entry): void {
    const { items } = this
    let at = items.length
    items.push(entry)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(entry, items[parent]!)) break
      items[at] = items[parent]!
      at = parent
    }
    items[at] = entry
  }

  pop(): Entry | undefined {
    const { items } = this
    const top = items[0]
    const last = items.pop()
    if (items.length === 0 || last === undefined) return top
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= items.length) break
      if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++
      if (!before(items[child]!, last)) break
      items[at] = items[child]!
      at = child
    }
    items[at] = last
    return top
  }
}

/** Ids fit 26 bits, a pair of them 52: an exact number. */
const keyOf = (left: number, right: number): number => left * 0x4000000 + right

/** Words as rows of token ids in one array; a word only ever shrinks in its place. */
const layOut = (words: ReadonlyMap<string, number>, idOfByte: ReadonlyArray<number>) => {
  const starts = new Float64Array(words.size)
  const lengths = new Int32Array(words.size)
  const counts = new Float64Array(words.size)
  let index = 0
  let total = 0
  for (const [word, count] of words) {
    starts[index] = total
    counts[index] = count
    total += lengths[index++] = Buffer.byteLength(word)
  }
  const symbols = new Int32Array(total)
  index = 0
  for (const word of words.keys()) {
    const bytes = Buffer.from(word)
    const start = starts[index++]!
    for (let i = 0; i < bytes.length; i++) symbols[start + i] = idOfByte[bytes[i]!]!
  }
  return { starts, lengths, counts, symbols }
}

/**
 * Learns until the vocabulary has `size` entries (the 256 bytes included) or no pair occurs `minimumFrequency` times. A generator, so
 * that whoever drives it can let other work in between: it yields the number of entries now and then.
 */
export function* learnMerges(
  words: ReadonlyMap<string, number>,
  size: number,
  minimumFrequency: number
): Generator<number, Learned> {
  const tokens = [...letterOfByte].sort()
  const idOf = new Map(tokens.map((token, id) => [token, id]))
  const idOfByte = letterOfByte.map((letter) => idOf.get(letter)!)
  const { counts, lengths, starts, symbols } = layOut(words, idOfByte)
  const pairs = new Map<number, Pair>()
  const merges: Array<readonly [number, number]> = []
  const touched = new Set<Pair>()
  const lists = new WordLists()

  const change = (left: number, right: number, by: number, word: number): void => {
    const key = keyOf(left, right)
    let pair = pairs.get(key)
    if (pair === undefined) {
      pair = { left, right, count: 0, words: empty }
      pairs.set(key, pair)
    }
    pair.count += by
    if (pair.count === 0) {
      pairs.delete(key)
      lists.free(pair.words)
      pair.words = empty
    }
    if (by > 0) {
      if (pair.words === empty || lists.first(pair.words) !== word) pair.words = lists.push(pair.words, word)
      touched.add(pair)
    }
  }

  for (let word = 0; word < counts.length; word++) {
    const start = starts[word]!
    const end = start + lengths[word]!
    for (let i = start + 1; i < end; i++) change(symbols[i - 1]!, symbols[i]!, counts[word]!, word)
  }
  const heap = new Heap()
  const enqueue = (): void => {
    // A rarer pair comes again when it has become more frequent.
    for (const pair of touched) if (pair.count >= minimumFrequency) heap.push({ pair, count: pair.count })
    touched.clear()
  }
  enqueue()

  /** Replaces the pair by `merged` in one word, left to right. */
  const mergeIn = (word: number, { left, right }: Pair, merged: number): void => {
    const start = starts[word]!
    const length = lengths[word]!
    const count = counts[word]!
    let to = start
    let from = start
    const end = start + length
    while (from < end) {
      if (from + 1 < end && symbols[from] === left && symbols[from + 1] === right) {
        if (to > start) {
          change(symbols[to - 1]!, left, -count, word)
          change(symbols[to - 1]!, merged, count, word)
        }
        if (from + 2 < end) {
          change(right, symbols[from + 2]!, -count, word)
          change(merged, symbols[from + 2]!, count, word)
        }
        symbols[to++] = merged
        from += 2
      } else symbols[to++] = symbols[from++]!
    }
    lengths[word] = to - start
  }

  while (tokens.length < size) {
    const top = heap.pop()
    if (top === undefined) break
    const { pair } = top
    if (top.count !== pair.count) {
      // Its count changed since it was queued: a pair that lost occurrences is queued again; one that gained some is in the queue twice.
      if (pair.count >= minimumFrequency && pair.count < top.count) heap.push({ pair, count: pair.count })
      continue
    }
    const text = tokens[pair.left]! + tokens[pair.right]!
    let merged = idOf.get(text)
    if (merged === undefined) {
      merged = tokens.length
      tokens.push(text)
      idOf.set(text, merged)
      if (merged % 250 === 0) yield merged
    }
    merges.push([pair.left, pair.right])
    const { words } = pair
    pair.words = empty
    for (const word of lists.drain(words)) mergeIn(word, pair, merged)
    pair.count = 0
    pairs.delete(keyOf(pair.left, pair.right))
    enqueue()
  }

  let totalTokens = 0
  const used = new Set<number>()
  for (let word = 0; word < counts.length; word++) {
    totalTokens += counts[word]! * lengths[word]!
    for (let i = 0; i < lengths[word]!; i++) used.add(symbols[starts[word]! + i]!)
  }
  return { tokens, merges, totalTokens, usedTokens: used }
}
