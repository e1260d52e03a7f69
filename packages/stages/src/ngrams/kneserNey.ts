/**
 * An interpolated, modified Kneser-Ney n-gram model over token ids (Chen and Goodman 1999, section 3): the baseline that a
 * trained model has to beat.
 *
 * For a context h of k - 1 tokens, and h' the same without its first token:
 *
 *     p(w | h) = (c(h w) - D(c(h w))) / c(h .)  +  mass(h) / c(h .) * p(w | h'),    mass(h) = sum over w of D(c(h w))
 *
 * and below the unigrams lies the uniform distribution over the vocabulary. At the highest order c counts occurrences; below it
 * c counts the different tokens seen before `h w`, except where `h w` begins a document and nothing can stand before it: there
 * it counts occurrences again. D has three values an order (for counts of 1, 2, and 3 or more), estimated from the counts.
 *
 * A context never reaches over the end token into another document. The start of a document is
 * itself a context, as the end token before it is for a transformer that reads the same stream.
 */

import { NgramTable } from "./ngramTable.ts"

/** What is subtracted from counts of 1, of 2, and of 3 or more. */
export type Discounts = readonly [one: number, two: number, more: number]

/** Totals of one order, by context. */
interface Level {
  readonly table: NgramTable
  readonly discounts: Discounts
  /** Sum of the counts that share a context; 0 when the context was never followed by anything. */
  readonly total: Int32Array
  /** Sum of what was discounted from them. */
  readonly mass: Float64Array
  /** n-gram ids sorted by context: those of context c are at `first[c]` up to `first[c + 1]`. */
  readonly first: Int32Array
  readonly members: Int32Array
  /** Most likely token by context, -1 where not yet asked for. Filled as it is needed. */
  readonly mostLikely: Int32Array
}

/** What scoring a document gives. `correct` counts tokens that were the model's most likely one. */
export interface Score {
  readonly tokens: number
  readonly bits: number
  readonly correct: number
}

/** Counts documents, then becomes a `KneserNey`. */
export class Counter {
  readonly order: number
  readonly vocabularySize: number
  private readonly tables: ReadonlyArray<NgramTable>

  /** @param order longest n-gram, at least 1; @param vocabularySize every token id is below this */
  constructor(order: number, vocabularySize: number) {
    this.order = order
    this.vocabularySize = vocabularySize
    this.tables = Array.from({ length: order }, () => new NgramTable(1024))
    // The start of a document is a context but never predicted: a unigram of its own, with id 0 and count 0.
    this.tables[0]!.findOrAdd(0, vocabularySize)
  }

  /** Counts one document: its tokens, with its end token last. */
  add(document: ArrayLike<number>): void {
    const { order, tables } = this
    // ids[k]: the n-gram of k + 1 tokens that ends here.
    let ids = new Int32Array(order)
    let before = new Int32Array(order)
    for (let at = 0; at < document.length; at++) {
      const token = document[at]!
      const longest = Math.min(order, at + 2)
      for (let k = 0; k < longest; k++) {
        const table = tables[k]!
        const known = table.size
        const id = table.findOrAdd(k === 0 ? 0 : before[k - 1]!, token)
        ids[k] = id
        if (k === order - 1 || k === at + 1) table.count[id]!++
        if (id === known && k > 0) tables[k - 1]!.count[ids[k - 1]!]!++
      }
      const spare = before
      before = ids
      ids = spare
    }
  }

  finish(): KneserNey {
    return new KneserNey(
      this.vocabularySize,
      this.tables.map((table, k) => level(table, k === 0 ? 1 : this.tables[k - 1]!.size))
    )
  }
}

const level = (table: NgramTable, contexts: number): Level => {
  const discounts = estimateDiscounts(table.count.subarray(0, table.size))
  const total = new Int32Array(contexts)
  const mass = new Float64Array(contexts)
  const first = new Int32Array(contexts + 1)
  for (let id = 0; id < table.size; id++) {
    const count = table.count[id]!
    if (count === 0) continue
    const context = table.prefix[id]!
    total[context]! += count
    mass[context]! += discounts[Math.min(count, 3) - 1]!
    first[context + 1]!++
  }
  for (let context = 0; context < contexts; context++) first[context + 1]! += first[context]!
  const next = first.slice()
  const members = new Int32Array(first[contexts]!)
  for (let id = 0; id < table.size; id++) {
    if (table.count[id] !== 0) members[next[table.prefix[id]!]!++] = id
  }
  return { table, discounts, total, mass, first, members, mostLikely: new Int32Array(contexts).fill(-1) }
}

/**
 * Chen and Goodman's closed form from n1 to n4, the numbers of n-grams with those counts. Where there are too few counts for it
 * (one of them is zero, or a discount would leave its range), one discount for all, n1 / (n1 + 2 n2); where there are too few even for that, 0.5, 1 and 1.5.
 */
export const estimateDiscounts = (counts: ArrayLike<number>): Discounts => {
  const n = [0, 0, 0, 0, 0]
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i]!
    if (count > 0 && count <= 4) n[count]!++
  }
  const [, n1, n2, n3, n4] = n as [number, number, number, number, number]
  if (n1 === 0 || n2 === 0) return [0.5, 1, 1.5]
  const y = n1 / (n1 + 2 * n2)
  if (n3 > 0 && n4 > 0) {
    const one = 1 - (2 * y * n2) / n1
    const two = 2 - (3 * y * n3) / n2
    const more = 3 - (4 * y * n4) / n3
    if (one > 0 && two > 0 && more > 0) return [one, two, more]
  }
  return [y, y, y]
}

/** The trained model. Made by `Counter.finish`. */
export class KneserNey {
  readonly vocabularySize: number
  private readonly levels: ReadonlyArray<Level>
  /** Unigram probabilities by token, and the most likely token by them. */
  private readonly unigrams: Float64Array
  private readonly mostLikelyUnigram: number
  private readonly scratch: Float64Array

  constructor(vocabularySize: number, levels: ReadonlyArray<Level>) {
    this.vocabularySize = vocabularySize
    this.levels = levels
    this.scratch = new Float64Array(vocabularySize)
    const { discounts, mass, table, total } = levels[0]!
    const all = Math.max(1, total[0]!)
    this.unigrams = new Float64Array(vocabularySize).fill(
      (total[0] === 0 ? 1 : mass[0]! / all) / vocabularySize
    )
    for (let id = 0; id < table.size; id++) {
      const count = table.count[id]!
      if (count > 0) this.unigrams[table.token[id]!]! += (count - discounts[Math.min(count, 3) - 1]!) / all
    }
    let best = 0
    for (let token = 1; token < vocabularySize; token++) {
      if (this.unigrams[token]! > this.unigrams[best]!) best = token
    }
    this.mostLikelyUnigram = best
  }

  get order(): number {
    return this.levels.length
  }

  /** The discounts of each order, unigrams first. */
  get discounts(): ReadonlyArray<Discounts> {
    return this.levels.map((each) => each.discounts)
  }

  /** Different n-grams held, all orders together. */
  get size(): number {
    return this.levels.reduce((sum, each) => sum + each.members.length, 0)
  }

  /** Scores every token of a document, its end token included. `each` gets the bits of each token. */
  score(document: ArrayLike<number>, each?: (at: number, bits: number) => void): Score {
    const walk = new Walk(this.order)
    let bits = 0
    let correct = 0
    for (let at = 0; at < document.length; at++) {
      const token = document[at]!
      if (this.mostLikely(walk) === token) correct++
      const cost = -Math.log2(this.advance(walk, token))
      bits += cost
      each?.(at, cost)
    }
    return { tokens: document.length, bits, correct }
  }

  /** The distribution of the token that follows a document's first tokens. Sums to 1 over the vocabulary. */
  distribution(documentSoFar: ArrayLike<number>): Float64Array {
    const walk = this.begin()
    for (let at = 0; at < documentSoFar.length; at++) this.advance(walk, documentSoFar[at]!)
    return this.distributionAt(walk)
  }

  /** The position before a document's first token. */
  begin(): Walk {
    return new Walk(this.order)
  }

  /** How many tokens of context decide at a position, 0 to the order less 1, and whether only one token ever followed them. */
  reach(walk: Walk): { readonly length: number; readonly sure: boolean } {
    let length = this.levels.length - 1
    while (length > 0 && !this.follows(length, walk.contexts[length - 1]!)) length--
    if (length === 0) return { length, sure: false }
    const context = walk.contexts[length - 1]!
    const { first } = this.levels[length]!
    return { length, sure: first[context + 1]! - first[context]! === 1 }
  }

  /** The distribution of the token at a position. */
  distributionAt(walk: Walk): Float64Array {
    const result = this.unigrams.slice()
    for (let k = 1; k < this.levels.length; k++) {
      const context = walk.contexts[k - 1]!
      if (!this.follows(k, context)) continue
      const { discounts, first, mass, members, table, total } = this.levels[k]!
      const all = total[context]!
      const lower = mass[context]! / all
      for (let token = 0; token < result.length; token++) result[token]! *= lower
      for (let m = first[context]!; m < first[context + 1]!; m++) {
        const count = table.count[members[m]!]!
        result[table.token[members[m]!]!]! += (count - discounts[Math.min(count, 3) - 1]!) / all
      }
    }
    return result
  }

  /** The probability of `token` at the walk's position; the walk then moves past it. */
  advance(walk: Walk, token: number): number {
    let probability = this.unigrams[token]!
    let id = this.levels[0]!.table.find(0, token)
    let last = walk.contexts[0]!
    walk.contexts[0] = id
    for (let k = 1; k < this.levels.length; k++) {
      const context = last
      last = walk.contexts[k]!
      if (context < 0) {
        walk.contexts[k] = -1
        continue
      }
      const { discounts, mass, table, total } = this.levels[k]!
      id = table.find(context, token)
      const all = total[context]!
      if (all > 0) {
        const count = id < 0 ? 0 : table.count[id]!
        const kept = count === 0 ? 0 : count - discounts[Math.min(count, 3) - 1]!
        probability = (kept + mass[context]! * probability) / all
      }
      walk.contexts[k] = id
    }
    return probability
  }

  /** The most likely next token. */
  private mostLikely(walk: Walk): number {
    // The longest context that was ever followed by anything decides everything, so its answer is kept.
    let longest = this.levels.length - 1
    while (longest > 0 && !this.follows(longest, walk.contexts[longest - 1]!)) longest--
    if (longest === 0) return this.mostLikelyUnigram
    const known = this.levels[longest]!.mostLikely
    const context = walk.contexts[longest - 1]!
    if (known[context] === -1) known[context] = this.searchMostLikely(walk, longest)
    return known[context]!
  }

  private follows(k: number, context: number): boolean {
    return context >= 0 && this.levels[k]!.total[context]! > 0
  }

  private searchMostLikely(walk: Walk, longest: number): number {
    const { scratch } = this
    // What follows a context also follows each shorter one: the followers of the last token are all candidates there are,
    // beside the most likely unigram.
    let weight = 1
    for (let k = longest; k >= 1; k--) {
      const context = walk.contexts[k - 1]!
      const { discounts, first, mass, members, table, total } = this.levels[k]!
      const all = total[context]!
      for (let m = first[context]!; m < first[context + 1]!; m++) {
        const count = table.count[members[m]!]!
        scratch[table.token[members[m]!]!]! += (weight * (count - discounts[Math.min(count, 3) - 1]!)) / all
      }
      weight *= mass[context]! / all
    }
    let best = this.mostLikelyUnigram
    let highest = scratch[best]! + weight * this.unigrams[best]!
    const context = walk.contexts[0]!
    const { first, members, table } = this.levels[1]!
    for (let m = first[context]!; m < first[context + 1]!; m++) {
      const token = table.token[members[m]!]!
      const probability = scratch[token]! + weight * this.unigrams[token]!
      scratch[token] = 0
      if (probability > highest) {
        highest = probability
        best = token
      }
    }
    return best
  }
}

/** A position in a document: the ids of the n-grams of k + 1 tokens that end there, -1 where one was never seen. */
export class Walk {
  readonly contexts: Int32Array

  constructor(order: number) {
    this.contexts = new Int32Array(order).fill(-1)
    this.contexts[0] = 0
  }
}
