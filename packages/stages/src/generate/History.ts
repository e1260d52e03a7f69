/** The tokens of one text so far, as the penalties of sampling need them: which there are, and how long a repetition each next token would go on with. */

export class History {
  /** Every id of the text, once it was asked for. */
  #ids: Set<number> | undefined
  readonly #tokens: Array<number> = []
  /** For each place, how many tokens up to it are those that the first `#compared` tokens end with. */
  readonly #matches: Array<number> = []
  #compared = 0

  constructor(tokens: Iterable<number> = []) {
    for (const token of tokens) this.add(token)
  }

  add(token: number): void {
    this.#ids?.add(token)
    this.#tokens.push(token)
  }

  /** Every id of the text. */
  get ids(): ReadonlySet<number> {
    this.#ids ??= new Set(this.#tokens)
    return this.#ids
  }

  /**
   * The tokens that would go on with a repetition: those that followed, somewhere before, the last tokens of the text. With each, how many tokens
   * are repeated already: `least` or more. Time in proportion to the text for each token that was added.
   */
  repetitions(least: number): ReadonlyMap<number, number> {
    while (this.#compared < this.#tokens.length) this.#compare(this.#compared++)
    const found = new Map<number, number>()
    for (let at = 0; at + 1 < this.#tokens.length; at++) {
      const length = this.#matches[at]!
      if (length < least) continue
      const next = this.#tokens[at + 1]!
      if (length > (found.get(next) ?? 0)) found.set(next, length)
    }
    return found
  }

  /** Compares each place with the token at `end`, which is now the last. Backwards, since each needs what its neighbour had before. */
  #compare(end: number): void {
    const last = this.#tokens[end]!
    for (let at = end - 1; at >= 0; at--)
      this.#matches[at] = this.#tokens[at] === last ? (at > 0 ? this.#matches[at - 1]! : 0) + 1 : 0
    this.#matches[end] = 0
  }
}
