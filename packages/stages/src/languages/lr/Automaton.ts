/**
 * A generalised LR parser over parse tables, with stacks that are never changed: a stack is its top node, which points to the node below.
 * Where the grammar is ambiguous so far, as C is at `a * b`, several stacks go on side by side. Equal stacks are one node, so that
 * ambiguities end where their readings do. Tomita 1985, "An efficient context-free parsing algorithm for natural languages".
 */

import type { ParseTables } from "./ParseTables.ts"
import { type SmallMap, withEntry } from "./SmallMap.ts"

/** A stack. What is remembered in it (`next`, `above`) does not change what it means. */
export class Stack {
  /** No two stacks of an automaton have the same. */
  readonly number: number
  readonly state: number
  /** The symbol by which the state was reached; of an expression, the symbol of what it is. 0 at the bottom. */
  readonly symbol: number
  readonly parent: Stack | undefined
  /** Whether this stands within braces that hide what is in them: see `Restrictions.hides`. */
  readonly hidden: boolean
  /** What `Restrictions.marks` said of the shifts so far. */
  readonly marked: boolean
  /** Stacks with one more entry, by state, symbol and mark, once there are any. */
  above: SmallMap<number, Stack> | undefined
  /** What a terminal makes of it, by terminal and symbol, once one was read. */
  next: SmallMap<number, Advanced> | undefined
  /** What a language remembers of places with this stack, or with several of which it is the first. */
  found: SmallMap<string, Remembered> | undefined
  /** Cost of the shortest completion, and the item that it completes first, once they were asked for. */
  completion: { readonly cost: number; readonly item: number } | undefined
  /** Whether a text may end with it, once that was asked for. */
  accepts: boolean | undefined
  /** Whether a completion was found that the tables read, once that was asked for. */
  endable: boolean | undefined

  constructor(
    number: number,
    state: number,
    symbol: number,
    parent: Stack | undefined,
    hidden: boolean,
    marked: boolean
  ) {
    this.number = number
    this.state = state
    this.symbol = symbol
    this.parent = parent
    this.hidden = hidden
    this.marked = marked
  }
}

/** A finding: whether something holds, or bytes. */
export type Remembered = boolean | Uint8Array

interface Advanced {
  readonly stacks: ReadonlyArray<Stack>
  readonly refused: boolean
}

/** Whether a stack may go on: yes; no, but another stack may; no, and no other may. */
export type Allowed = "yes" | "drop" | "refuse"

/** What a language forbids beyond its grammar. */
export interface Restrictions {
  /** Whether this stack may shift the terminal to this state. */
  readonly allows: (stack: Stack, terminal: number, state: number) => Allowed
  /** Whether what follows this shift is hidden. */
  readonly hides: (terminal: number, state: number) => boolean
  /** Whether the stack is marked after it shifts the terminal to this state. Reductions keep the mark. */
  readonly marks: (stack: Stack, terminal: number, state: number) => boolean
  /** A symbol that a stack keeps the symbol below it for, when it stands for that one alone. */
  readonly transparent: number
}

/** Stacks that go on side by side at most: tree-sitter drops others (`MAX_VERSION_COUNT`, lib/src/parser.c). */
const mostStates = 6
const mostStacks = 32

/** Stacks, and findings that they remember, that are shared by texts: about 10 MB. */
const mostShared = 20_000

export class Automaton {
  readonly tables: ParseTables
  private readonly restrictions: Restrictions
  private bottom: Stack | undefined
  private made = 0
  private numbered = 0

  constructor(tables: ParseTables, restrictions: Restrictions) {
    this.tables = tables
    this.restrictions = restrictions
  }

  /**
   * A stack with nothing read: see tree-sitter's start state. Texts share it, and so what is remembered of their stacks, until there are many;
   * those are freed with the texts that began with them.
   */
  begin(): Stack {
    if (this.bottom === undefined || this.made > mostShared) {
      this.bottom = new Stack(this.numbered++, 1, 0, undefined, false, false)
      this.made = 0
    }
    return this.bottom
  }

  /** Counts something that a stack remembers. */
  remembered(): void {
    this.made++
  }

  /** The stacks after a terminal; none where it is refused. They remember it as `symbol`. */
  advance(stacks: ReadonlyArray<Stack>, terminal: number, symbol = terminal): ReadonlyArray<Stack> {
    if (stacks.length === 1) {
      const { refused, stacks: after } = this.advanceOne(stacks[0]!, terminal, symbol)
      return refused || !fits(after) ? [] : after
    }
    const after = new Set<Stack>()
    for (const stack of stacks) {
      const { refused, stacks: shifted } = this.advanceOne(stack, terminal, symbol)
      if (refused) return []
      for (const each of shifted) after.add(each)
    }
    const all = [...after]
    return fits(all) ? all : []
  }

  /** Whether a stack has any action on a terminal. */
  reads(stack: Stack, terminal: number): boolean {
    return this.tables.actions(stack.state, terminal).length > 0
  }

  /** Whether the text may end here. */
  accepts(stacks: ReadonlyArray<Stack>): boolean {
    for (const stack of stacks) {
      stack.accepts ??= this.reduced(stack, 0).some(({ action }) => action === "accept")
      if (stack.accepts) return true
    }
    return false
  }

  /** The stack with `count` entries replaced by a nonterminal; undefined where the tables have no such state. */
  reduce(stack: Stack, count: number, symbol: number): Stack | undefined {
    let below: Stack | undefined = stack
    for (let entry = 0; entry < count; entry++) below = below?.parent
    if (below === undefined) return undefined
    const state = this.tables.goto(below.state, symbol)
    if (state === 0) return undefined
    const kept = count === 1 && symbol === this.restrictions.transparent ? stack.symbol : symbol
    return this.push(below, state, kept, below.hidden, stack.marked)
  }

  private push(parent: Stack, state: number, symbol: number, hidden: boolean, marked: boolean): Stack {
    const key = (state * this.tables.symbols + symbol) * 2 + (marked ? 1 : 0)
    let stack = parent.above?.get(key)
    if (stack === undefined) {
      stack = new Stack(this.numbered++, state, symbol, parent, hidden, marked)
      parent.above = withEntry(parent.above, key, stack)
      this.made++
    }
    return stack
  }

  /** The stack and those that reductions before a terminal make of it, with the action there that is no reduction. */
  private reduced(stack: Stack, terminal: number) {
    const found: Array<{ readonly stack: Stack; readonly action: number | "accept" | "extra" }> = []
    const seen = new Set<Stack>()
    const visit = (current: Stack): void => {
      if (seen.has(current)) return
      seen.add(current)
      for (const action of this.tables.actions(current.state, terminal)) {
        if (action.type === "reduce") {
          const next = this.reduce(current, action.count, action.symbol)
          if (next !== undefined) visit(next)
        } else found.push({ stack: current, action: action.type === "shift" ? action.state : action.type })
      }
    }
    visit(stack)
    return found
  }

  private advanceOne(stack: Stack, terminal: number, symbol: number): Advanced {
    const key = terminal * this.tables.symbols + symbol
    const known = stack.next?.get(key)
    if (known !== undefined) return known
    const stacks = new Set<Stack>()
    let refused = false
    for (const { action, stack: from } of this.reduced(stack, terminal)) {
      if (action === "extra") stacks.add(stack)
      if (typeof action !== "number") continue
      const allowed = this.restrictions.allows(from, terminal, action)
      if (allowed === "refuse") refused = true
      if (allowed !== "yes") continue
      const hidden = from.hidden || this.restrictions.hides(terminal, action)
      stacks.add(this.push(from, action, symbol, hidden, this.restrictions.marks(from, terminal, action)))
    }
    const advanced = { stacks: refused ? [] : [...stacks], refused }
    stack.next = withEntry(stack.next, key, advanced)
    return advanced
  }
}

const fits = (stacks: ReadonlyArray<Stack>): boolean =>
  stacks.length <= mostStates ||
  (stacks.length <= mostStacks && new Set(stacks.map(({ state }) => state)).size <= mostStates)
