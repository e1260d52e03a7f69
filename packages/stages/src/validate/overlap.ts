/**
 * The longest run of tokens that a completion shares with the training text.
 *
 * The completions, which are short, become one suffix automaton (Blumer et al. 1985); the training text, which is long, is read
 * through it once, as a stream. Time grows with both lengths, memory with the completions alone.
 */

/** Learns the completions; then `read` the training text, in order and in pieces of any size; then ask. */
export class Overlap {
  private readonly completions: ReadonlyArray<ArrayLike<number>>
  private readonly transitions: Array<Map<number, number>> = [new Map()]
  private readonly link: Array<number> = [-1]
  /** Length of the longest run that each state stands for. */
  private readonly length: Array<number> = [0]
  /** Length of the longest run of each state that occurs in the training text. */
  private readonly found: Array<number> = [0]
  private state = 0
  private matched = 0

  constructor(completions: ReadonlyArray<ArrayLike<number>>) {
    this.completions = completions
    for (const completion of completions) {
      let last = 0
      for (let at = 0; at < completion.length; at++) last = this.extend(last, completion[at]!)
    }
  }

  /** Reads on in the training text. A token that no completion has, such as the end token, ends every run. */
  read(tokens: ArrayLike<number>): void {
    for (let at = 0; at < tokens.length; at++) {
      const token = tokens[at]!
      let next = this.transitions[this.state]!.get(token)
      while (next === undefined && this.state !== 0) {
        this.state = this.link[this.state]!
        this.matched = this.length[this.state]!
        next = this.transitions[this.state]!.get(token)
      }
      if (next === undefined) continue
      this.state = next
      this.matched++
      if (this.matched > this.found[next]!) this.found[next] = this.matched
    }
  }

  /** For each completion, its longest run found so far: where it starts, and how many tokens. */
  longest(): ReadonlyArray<{ readonly start: number; readonly tokens: number }> {
    const found = this.foundWithShorter()
    return this.completions.map((completion) => {
      let longest = { start: 0, tokens: 0 }
      let state = 0
      for (let at = 0; at < completion.length; at++) {
        state = this.transitions[state]!.get(completion[at]!)!
        // The longest run that ends here: the first state on the way to the root that was found.
        let suffix = state
        while (suffix !== 0 && found[suffix] === 0) suffix = this.link[suffix]!
        const tokens = found[suffix]!
        if (tokens > longest.tokens) longest = { start: at + 1 - tokens, tokens }
      }
      return longest
    })
  }

  /** A run that was found was found with all its endings, which belong to the states on its way to the root. */
  private foundWithShorter(): ReadonlyArray<number> {
    const found = [...this.found]
    const byLength = [...found.keys()].sort((a, b) => this.length[b]! - this.length[a]!)
    for (const state of byLength) {
      const link = this.link[state]!
      if (found[state]! > 0 && link > 0) found[link] = this.length[link]!
    }
    return found
  }

  private add(length: number, link: number, transitions: Map<number, number>): number {
    this.transitions.push(transitions)
    this.link.push(link)
    this.length.push(length)
    this.found.push(0)
    return this.length.length - 1
  }

  /** Appends a token to the run that ends in state `last`; the state of the longer run. */
  private extend(last: number, token: number): number {
    const known = this.transitions[last]!.get(token)
    if (known !== undefined) {
      return this.length[known] === this.length[last]! + 1 ? known : this.split(last, known, token)
    }
    const state = this.add(this.length[last]! + 1, 0, new Map())
    let from = last
    while (from !== -1 && !this.transitions[from]!.has(token)) {
      this.transitions[from]!.set(token, state)
      from = this.link[from]!
    }
    if (from !== -1) {
      const to = this.transitions[from]!.get(token)!
      this.link[state] = this.length[to] === this.length[from]! + 1 ? to : this.split(from, to, token)
    }
    return state
  }

  /** Gives the shorter runs of state `to`, those that end a run of `from` and `token`, a state of their own. */
  private split(from: number, to: number, token: number): number {
    const shorter = this.add(this.length[from]! + 1, this.link[to]!, new Map(this.transitions[to]!))
    this.link[to] = shorter
    for (let state = from; state !== -1 && this.transitions[state]!.get(token) === to; ) {
      this.transitions[state]!.set(token, shorter)
      state = this.link[state]!
    }
    return shorter
  }
}
