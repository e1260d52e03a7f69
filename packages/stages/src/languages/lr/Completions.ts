/**
 * The shortest completion of a stack: which terminals, in which order, make a whole text of what is read.
 *
 * In state s of an LR automaton, an item [A → α . β] with |α| = k is completed by some terminals, after which k entries of the stack give
 * way to A. R(s, A, k) is the least cost of these terminals:
 *
 *   R(s, A, k) = 0                                        where s reduces k entries to A
 *   R(s, A, k) = min over s –Y→ t of c(s, Y) + R(t, A, k + 1)   otherwise, where c is the cost of a terminal, or R(s, Y, 0) of a nonterminal
 *
 * These are least fixed points of monotone functions: Knuth 1977, "A generalization of Dijkstra's algorithm". A stack's completion is a
 * shortest path over stacks, whose edges complete an item of the top state each. Conflicts that the tables resolve by precedence can refuse
 * what is planned so: who uses a plan checks it.
 */
import type { Automaton, Stack } from "./Automaton.ts"
import type { ParseTables } from "./ParseTables.ts"

/** An item is `symbol * longest + entries`. */
const longest = 64

interface Transition {
  readonly symbol: number
  readonly state: number
}

const transitionsOf = (tables: ParseTables, state: number): ReadonlyArray<Transition> => {
  const found: Array<Transition> = []
  for (let symbol = 1; symbol < tables.terminals; symbol++)
    for (const action of tables.actions(state, symbol))
      if (action.type === "shift") found.push({ symbol, state: action.state })
  for (let symbol = tables.terminals; symbol < tables.symbols; symbol++) {
    const next = tables.goto(state, symbol)
    if (next !== 0) found.push({ symbol, state: next })
  }
  return found
}

/** R for every state. `costOf`: of a terminal; infinite for those that no completion may have. */
const costsOf = (
  tables: ParseTables,
  transitions: ReadonlyArray<ReadonlyArray<Transition>>,
  costOf: (terminal: number) => number
): ReadonlyArray<ReadonlyMap<number, number>> => {
  const costs = Array.from({ length: tables.states }, () => new Map<number, number>())
  /** Per state: the transitions that lead to it. */
  const arrivals = Array.from({ length: tables.states }, (): Array<{ from: number; symbol: number }> => [])
  for (const [from, leaving] of transitions.entries())
    for (const { state, symbol } of leaving) arrivals[state]!.push({ from, symbol })
  const queue: Array<number> = []
  const improve = (state: number, item: number, cost: number): void => {
    const known = costs[state]!.get(item)
    if (cost === Number.POSITIVE_INFINITY || (known !== undefined && known <= cost)) return
    costs[state]!.set(item, cost)
    queue.push(state, item)
  }
  const stepCost = (state: number, symbol: number): number =>
    symbol < tables.terminals
      ? costOf(symbol)
      : (costs[state]!.get(symbol * longest) ?? Number.POSITIVE_INFINITY)
  for (let state = 1; state < tables.states; state++)
    for (let terminal = 0; terminal < tables.terminals; terminal++)
      for (const action of tables.actions(state, terminal))
        if (action.type === "reduce" && action.count > 0)
          improve(state, action.symbol * longest + action.count, 0)
  for (let head = 0; head < queue.length; head += 2) {
    const state = queue[head]!
    const item = queue[head + 1]!
    const cost = costs[state]!.get(item)!
    const symbol = Math.floor(item / longest)
    if (item % longest > 0) {
      for (const { from, symbol: step } of arrivals[state]!)
        if (item % longest > 1 || tables.goto(from, symbol) !== 0)
          improve(from, item - 1, stepCost(from, step) + cost)
    } else {
      // A nonterminal has become cheaper in this state, and so has what begins with it.
      const next = tables.goto(state, symbol)
      for (const [after, rest] of costs[next]!)
        if (after % longest > 1 || (after % longest === 1 && tables.goto(state, Math.floor(after / longest))))
          improve(state, after - 1, cost + rest)
    }
  }
  return costs
}

interface Reached {
  readonly stack: Stack
  readonly cost: number
  readonly from: Reached | undefined
  /** The item that `from` completed. */
  readonly item: number
}

/** Plans completions over one automaton. */
export class Completions {
  private readonly automaton: Automaton
  private readonly transitions: ReadonlyArray<ReadonlyArray<Transition>>
  private readonly costs: ReadonlyArray<ReadonlyMap<number, number>>
  private readonly costOf: (terminal: number) => number
  /** Items that there may be in a state. */
  private readonly items: number
  /** Steps that were asked for, by state and item. */
  private readonly steps = new Map<number, Transition>()

  constructor(automaton: Automaton, costOf: (terminal: number) => number) {
    const { tables } = automaton
    this.automaton = automaton
    this.costOf = costOf
    this.items = tables.symbols * longest
    this.transitions = Array.from({ length: tables.states }, (_, state) => transitionsOf(tables, state))
    this.costs = costsOf(tables, this.transitions, costOf)
  }

  /** Cost of the shortest completion of a stack; infinite where there is none. */
  cost(stack: Stack): number {
    return this.completionOf(stack).cost
  }

  /** The terminals of the shortest completion of a stack. */
  plan(stack: Stack): ReadonlyArray<number> {
    const terminals: Array<number> = []
    let current = stack
    for (;;) {
      const { cost, item } = this.completionOf(current)
      if (cost === Number.POSITIVE_INFINITY || item < 0) return terminals
      this.spell(current.state, item, terminals)
      const next = this.automaton.reduce(current, item % longest, Math.floor(item / longest))
      if (next === undefined) return terminals
      current = next
    }
  }

  /** Adds the terminals that complete an item in a state. */
  private spell(state: number, item: number, terminals: Array<number>): void {
    let current = state
    let wanted = item
    for (;;) {
      const cost = this.costs[current]!.get(wanted)
      if (cost === undefined || (cost === 0 && wanted % longest > 0)) return
      const step = this.stepOf(current, wanted, cost)
      if (step === undefined) return
      if (step.symbol < this.automaton.tables.terminals) terminals.push(step.symbol)
      else this.spell(current, step.symbol * longest, terminals)
      current = step.state
      wanted++
    }
  }

  /** The first step of the shortest completion of an item, which costs so much. */
  private stepOf(state: number, item: number, cost: number): Transition | undefined {
    const key = state * this.items + item
    const known = this.steps.get(key)
    if (known !== undefined) return known
    const step = this.transitions[state]!.find(
      ({ state: next, symbol }) =>
        this.stepCost(state, symbol) + (this.costs[next]!.get(item + 1) ?? Number.POSITIVE_INFINITY) === cost
    )
    if (step !== undefined) this.steps.set(key, step)
    return step
  }

  private stepCost(state: number, symbol: number): number {
    return symbol < this.automaton.tables.terminals
      ? this.costOf(symbol)
      : (this.costs[state]!.get(symbol * longest) ?? Number.POSITIVE_INFINITY)
  }

  /** Dijkstra's algorithm from a stack to an accepted one, or to one whose completion is known. */
  private completionOf(stack: Stack): NonNullable<Stack["completion"]> {
    if (stack.completion !== undefined) return stack.completion
    const open: Array<Reached> = [{ stack, cost: 0, from: undefined, item: -1 }]
    const done = new Set<Stack>()
    while (open.length > 0) {
      let best = 0
      for (let at = 1; at < open.length; at++) if (total(open[at]!) < total(open[best]!)) best = at
      const reached = open[best]!
      open[best] = open.at(-1)!
      open.pop()
      const { cost, stack: current } = reached
      if (done.has(current)) continue
      done.add(current)
      if (current.completion !== undefined || this.ends(current)) {
        remember(reached)
        return stack.completion!
      }
      for (const [item, price] of this.costs[current.state]!) {
        if (item % longest === 0) continue
        const next = this.automaton.reduce(current, item % longest, Math.floor(item / longest))
        if (next !== undefined && !done.has(next) && next.completion?.cost !== Number.POSITIVE_INFINITY)
          open.push({ stack: next, cost: cost + price, from: reached, item })
      }
    }
    stack.completion = { cost: Number.POSITIVE_INFINITY, item: -1 }
    return stack.completion
  }

  private ends(stack: Stack): boolean {
    return this.automaton.tables.actions(stack.state, 0).some(({ type }) => type === "accept")
  }
}

const total = ({ cost, stack }: Reached): number => cost + (stack.completion?.cost ?? 0)

/** Keeps the completions of all stacks on a shortest path. */
const remember = (end: Reached): void => {
  end.stack.completion ??= { cost: 0, item: -1 }
  const rest = end.cost + end.stack.completion.cost
  for (let at = end; at.from !== undefined; at = at.from)
    at.from.stack.completion ??= { cost: rest - at.from.cost, item: at.item }
}
