/**
 * What followed each context of up to so many tokens, and how often. Counts can be added token by token, so that the same counts serve for a
 * training text, which is counted once, and for a document, which is counted as it goes on.
 */
import { NgramTable } from "./ngramTable.ts"

/** One length of context: n-grams of it and the token after it, with figures by context. */
interface Level {
  readonly table: NgramTable
  /** By context: occurrences, different followers, the highest count among these, and the follower that was added last (id + 1). */
  total: Int32Array
  followers: Int32Array
  highest: Int32Array
  last: Int32Array
  /** By n-gram: the follower of the same context that was added before (id + 1). */
  before: Int32Array
}

/** What is known about a context. */
export interface ContextFigures {
  readonly total: number
  readonly followers: number
  readonly highest: number
}

const fitted = (values: Int32Array, size: number): Int32Array => {
  if (size <= values.length) return values
  const longer = new Int32Array(Math.max(size, 2 * values.length))
  longer.set(values)
  return longer
}

export class ContextCounts {
  private readonly levels: ReadonlyArray<Level>

  /** @param longest context, in tokens */
  constructor(longest: number) {
    this.levels = Array.from({ length: longest + 1 }, () => ({
      table: new NgramTable(256),
      total: new Int32Array(256),
      followers: new Int32Array(256),
      highest: new Int32Array(256),
      last: new Int32Array(256),
      before: new Int32Array(256)
    }))
  }

  /** Longest context, in tokens. */
  get longest(): number {
    return this.levels.length - 1
  }

  /** The contexts before a document's first token: by length their ids, -1 for one that is not known. */
  start(): Int32Array {
    const contexts = new Int32Array(this.levels.length).fill(-1)
    contexts[0] = 0
    return contexts
  }

  /** Moves contexts past a token. With `count` the token is counted as their follower first. */
  advance(contexts: Int32Array, token: number, count: boolean): void {
    // From the longest down: the context of k tokens and the token become the context of k + 1.
    for (let length = this.levels.length - 1; length >= 0; length--) {
      const context = contexts[length]!
      if (context < 0) {
        if (length < this.levels.length - 1) contexts[length + 1] = -1
        continue
      }
      const id = count
        ? this.add(this.levels[length]!, context, token)
        : this.levels[length]!.table.find(context, token)
      if (length < this.levels.length - 1) contexts[length + 1] = id
    }
  }

  /** Occurrences of a context; 0 for one that nothing has followed. */
  total(length: number, context: number): number {
    return context < 0 ? 0 : (this.levels[length]!.total[context] ?? 0)
  }

  figures(length: number, context: number): ContextFigures {
    const { followers, highest, total } = this.levels[length]!
    return { total: total[context]!, followers: followers[context]!, highest: highest[context]! }
  }

  /** How often a token followed a context. */
  count(length: number, context: number, token: number): number {
    const { table } = this.levels[length]!
    const id = table.find(context, token)
    return id < 0 ? 0 : table.count[id]!
  }

  /** Calls `use` with each token that followed a context, and how often it did. */
  forEachFollower(length: number, context: number, use: (token: number, count: number) => void): void {
    const { before, last, table } = this.levels[length]!
    for (let id = last[context]! - 1; id >= 0; id = before[id]! - 1) use(table.token[id]!, table.count[id]!)
  }

  private add(level: Level, context: number, token: number): number {
    const { table } = level
    if (context >= level.total.length) {
      level.total = fitted(level.total, context + 1)
      level.followers = fitted(level.followers, context + 1)
      level.highest = fitted(level.highest, context + 1)
      level.last = fitted(level.last, context + 1)
    }
    const known = table.size
    const id = table.findOrAdd(context, token)
    if (id === known) {
      level.before = fitted(level.before, id + 1)
      level.before[id] = level.last[context]!
      level.last[context] = id + 1
      level.followers[context]!++
    }
    const count = ++table.count[id]!
    if (count > level.highest[context]!) level.highest[context] = count
    level.total[context]!++
    return id
  }
}
