/**
 * The model of PPMd variant H (Shkarin 2001: "PPM: one step to practicality"), after Igor Pavlov's Ppmd7.c in 7-Zip. Both are in the public
 * domain. It holds a tree of contexts of up to `order` bytes, with the symbols that followed each and how often, and predicts a byte from
 * the longest context that it knows, or escapes from it to a shorter one.
 */
import { Contexts, stateBytes } from "./Contexts.ts"
import { Estimates, type EstimatesSnapshot, fullSee, seeRowOf } from "./Estimates.ts"
import type { UnitsSnapshot } from "./Units.ts"

const mostFrequency = 124
const flagOf = (symbol: number): number => (symbol < 0x40 ? 0 : 8)
const numberFlag = (symbols: number): number =>
  symbols === 1 ? 0 : symbols === 2 ? 2 : symbols <= 11 ? 4 : 6

export interface ModelSnapshot {
  readonly units: UnitsSnapshot
  readonly estimates: EstimatesSnapshot
  readonly registers: ReadonlyArray<number>
}

export class Model extends Contexts {
  context = 0
  found = 0
  orderFall: number
  initialEscape = 0
  previousSuccess = 0
  highFlag = 0
  readonly estimates = new Estimates()
  private longest = 0
  private runLength: number
  private readonly firstRunLength: number

  /** @param order longest context in bytes, 2 to 64; @param memory in bytes */
  constructor(order: number, memory: number) {
    super(memory)
    const { u16, u32, u8 } = this.units
    this.orderFall = order
    this.firstRunLength = -Math.min(order, 12) - 1
    this.runLength = this.firstRunLength
    this.context = this.units.addContext()
    this.longest = this.context
    this.found = this.units.add(128)
    u16[this.context >> 1] = 256
    u16[(this.context >> 1) + 1] = 257
    u32[(this.context >> 2) + 1] = this.found
    for (let symbol = 0; symbol < 256; symbol++) {
      u8[this.found + stateBytes * symbol] = symbol
      u8[this.found + stateBytes * symbol + 1] = 1
    }
  }

  /** Where the probability of the only symbol of the context stands. */
  binaryIndex(): number {
    const { u8 } = this.units
    const symbol = u8[this.context + 2]!
    this.highFlag = flagOf(u8[this.found]!)
    return (
      64 * (u8[this.context + 3]! - 1) +
      this.previousSuccess +
      numberFlag(this.symbols(this.suffix(this.context))) +
      this.highFlag +
      2 * flagOf(symbol) +
      ((this.runLength >> 26) & 0x20)
    )
  }

  /** Where the estimate of an escape stands, for a context of which `masked` symbols are excluded. */
  seeIndex(masked: number): number {
    const symbols = this.symbols(this.context)
    if (symbols === 256) return fullSee
    const left = symbols - masked
    return (
      16 * seeRowOf(left) +
      (left < this.symbols(this.suffix(this.context)) - symbols ? 1 : 0) +
      (this.sum(this.context) < 11 * symbols ? 2 : 0) +
      (masked > left ? 4 : 0) +
      this.highFlag
    )
  }

  setHighFlag(): void {
    this.highFlag = flagOf(this.units.u8[this.found]!)
  }

  /** After the first symbol of a context. */
  updateFirst(): void {
    const { u8 } = this.units
    const { context, found } = this
    this.previousSuccess = 2 * u8[found + 1]! > this.sum(context) ? 1 : 0
    this.runLength += this.previousSuccess
    this.setSum(context, this.sum(context) + 4)
    u8[found + 1]! += 4
    if (u8[found + 1]! > mostFrequency) this.rescale()
    this.next()
  }

  /** After another symbol of the context where the byte was expected first. */
  updateOther(): void {
    const { u8 } = this.units
    this.setSum(this.context, this.sum(this.context) + 4)
    u8[this.found + 1]! += 4
    if (u8[this.found + 1]! > u8[this.found - stateBytes + 1]!) {
      this.swapStates(this.found, this.found - stateBytes)
      this.found -= stateBytes
      if (u8[this.found + 1]! > mostFrequency) this.rescale()
    }
    this.next()
  }

  /** After the only symbol of a context. */
  updateOnly(): void {
    const { u8 } = this.units
    if (u8[this.found + 1]! < 128) u8[this.found + 1]!++
    this.previousSuccess = 1
    this.runLength++
    this.next()
  }

  /** After a symbol of a context that was escaped to. */
  updateEscaped(): void {
    const { u8 } = this.units
    this.setSum(this.context, this.sum(this.context) + 4)
    u8[this.found + 1]! += 4
    if (u8[this.found + 1]! > mostFrequency) this.rescale()
    this.runLength = this.firstRunLength
    this.update()
  }

  private next(): void {
    const context = this.successor(this.found)
    if (this.orderFall === 0 && context > this.units.text) {
      this.context = context
      this.longest = context
    } else this.update()
  }

  /** Adds the byte to the contexts in which it was new, and goes to the next context. */
  private update(): void {
    const { units } = this
    const { u8 } = units
    const symbol = u8[this.found]!
    this.countInSuffix(symbol)
    if (this.orderFall === 0) {
      this.context = this.createSuccessors(true)
      this.longest = this.context
      this.setSuccessor(this.found, this.context)
      return
    }
    units.addText(symbol)
    let successor = units.text
    let following = this.successor(this.found)
    if (following !== 0) {
      if (following <= successor) following = this.createSuccessors(false)
      if (--this.orderFall === 0) {
        successor = following
        if (this.longest !== this.context) units.text--
      }
    } else {
      this.setSuccessor(this.found, successor)
      following = this.context
    }
    const symbols = this.symbols(this.context)
    const others = this.sum(this.context) - symbols - (u8[this.found + 1]! - 1)
    for (let context = this.longest; context !== this.context; context = this.suffix(context))
      this.addSymbol(context, symbols, others, successor)
    this.context = following
    this.longest = following
  }

  /** Counts the byte in the context that is one shorter, where it is known already. */
  private countInSuffix(symbol: number): void {
    const { u8 } = this.units
    const context = this.suffix(this.context)
    if (u8[this.found + 1]! >= mostFrequency / 4 || context === 0) return
    if (this.symbols(context) === 1) {
      if (u8[context + 3]! < 32) u8[context + 3]!++
      return
    }
    let state = this.stateOf(context, symbol)
    if (state !== this.states(context) && u8[state + 1]! >= u8[state - stateBytes + 1]!) {
      this.swapStates(state, state - stateBytes)
      state -= stateBytes
    }
    if (u8[state + 1]! < mostFrequency - 9) {
      u8[state + 1]! += 2
      this.setSum(context, this.sum(context) + 2)
    }
  }

  /** Adds the byte as a new symbol; `symbols` and `others` are of the context in which it was found. */
  private addSymbol(context: number, symbols: number, others: number, successor: number): void {
    const { units } = this
    const { u16, u32, u8 } = units
    const own = this.symbols(context)
    if (own !== 1) {
      if ((own & 1) === 0) u32[(context >> 2) + 1] = units.grow(this.states(context), own >> 1)
      const sum = this.sum(context)
      this.setSum(context, sum + (2 * own < symbols ? 1 : 0) + (4 * own <= symbols && sum <= 8 * own ? 2 : 0))
    } else {
      const state = units.add(1)
      this.copyState(state, context + 2)
      u32[(context >> 2) + 1] = state
      u8[state + 1] = u8[state + 1]! < mostFrequency / 4 - 1 ? 2 * u8[state + 1]! : mostFrequency - 4
      this.setSum(context, u8[state + 1]! + this.initialEscape + (symbols > 3 ? 1 : 0))
    }
    const sum = this.sum(context)
    const frequency = 2 * u8[this.found + 1]! * (sum + 6)
    const all = others + sum
    const few = frequency < 6 * all
    const added = few
      ? 1 + (frequency > all ? 1 : 0) + (frequency >= 4 * all ? 1 : 0)
      : 4 + (frequency >= 9 * all ? 1 : 0) + (frequency >= 12 * all ? 1 : 0) + (frequency >= 15 * all ? 1 : 0)
    this.setSum(context, sum + (few ? 3 : added))
    const state = u32[(context >> 2) + 1]! + stateBytes * own
    this.setSuccessor(state, successor)
    u8[state] = u8[this.found]!
    u8[state + 1] = added
    u16[context >> 1] = own + 1
  }

  /** Makes the contexts that follow the byte, from the shortest that is missing. Gives the longest. */
  private createSuccessors(skip: boolean): number {
    const { units } = this
    const { u16, u32, u8 } = units
    const branch = this.successor(this.found)
    const symbol = u8[this.found]!
    const missing: Array<number> = skip ? [] : [this.found]
    let context = this.context
    while (this.suffix(context) !== 0) {
      context = this.suffix(context)
      const state = this.symbols(context) === 1 ? context + 2 : this.stateOf(context, symbol)
      const successor = this.successor(state)
      if (successor !== branch) {
        context = successor
        if (missing.length === 0) return context
        break
      }
      missing.push(state)
    }
    const following = u8[branch]!
    const frequency = this.inherited(context, following)
    for (let state = missing.pop(); state !== undefined; state = missing.pop()) {
      const child = units.addContext()
      u16[child >> 1] = 1
      u8[child + 2] = following
      u8[child + 3] = frequency
      this.setSuccessor(child + 2, branch + 1)
      u32[(child >> 2) + 2] = context
      this.setSuccessor(state, child)
      context = child
    }
    return context
  }

  /** The frequency that a new context's only symbol begins with, from that in a shorter context. */
  private inherited(context: number, symbol: number): number {
    const { u8 } = this.units
    if (this.symbols(context) === 1) return u8[context + 3]!
    const own = u8[this.stateOf(context, symbol) + 1]! - 1
    const rest = this.sum(context) - this.symbols(context) - own
    return (
      1 + (2 * own <= rest ? (5 * own > rest ? 1 : 0) : Math.floor((2 * own + 3 * rest - 1) / (2 * rest)))
    )
  }

  /** Halves the frequencies of the context, and drops the symbols that come to nothing. */
  private rescale(): void {
    const { u16, u8 } = this.units
    const { context } = this
    const first = this.states(context)
    const adder = this.orderFall !== 0 ? 1 : 0
    const symbols = this.symbols(context)
    for (let state = this.found; state !== first; state -= stateBytes)
      this.swapStates(state, state - stateBytes)
    let escape = this.sum(context) - u8[first + 1]!
    u8[first + 1] = (u8[first + 1]! + 4 + adder) >> 1
    let sum = u8[first + 1]!
    for (let i = 1; i < symbols; i++) {
      const state = first + stateBytes * i
      escape -= u8[state + 1]!
      u8[state + 1] = (u8[state + 1]! + adder) >> 1
      sum += u8[state + 1]!
      for (let at = state; at !== first && u8[at + 1]! > u8[at - stateBytes + 1]!; at -= stateBytes)
        this.swapStates(at, at - stateBytes)
    }
    let left = symbols
    while (u8[first + stateBytes * (left - 1) + 1] === 0) left--
    if (left < symbols) {
      escape += symbols - left
      u16[context >> 1] = left
      if (left === 1) {
        this.keepOnly(first, symbols, escape)
        return
      }
      const units = (symbols + 1) >> 1
      const fewer = (left + 1) >> 1
      if (units !== fewer) this.units.u32[(context >> 2) + 1] = this.units.shrink(first, units, fewer)
    }
    this.setSum(context, sum + escape - (escape >> 1))
    this.found = this.states(context)
  }

  /** The context has one symbol left, which moves into it. */
  private keepOnly(first: number, symbols: number, escape: number): void {
    const { u8 } = this.units
    let frequency = u8[first + 1]!
    let left = escape
    do {
      frequency -= frequency >> 1
      left >>= 1
    } while (left > 1)
    u8[first + 1] = frequency
    const state = this.context + 2
    this.copyState(state, first)
    this.units.remove(first, (symbols + 1) >> 1)
    this.found = state
  }

  snapshot(): ModelSnapshot {
    return {
      units: this.units.snapshot(),
      estimates: this.estimates.snapshot(),
      registers: [
        this.context,
        this.found,
        this.longest,
        this.orderFall,
        this.initialEscape,
        this.previousSuccess,
        this.highFlag,
        this.runLength
      ]
    }
  }

  restore({ estimates, registers, units }: ModelSnapshot): void {
    this.units.restore(units)
    this.estimates.restore(estimates)
    this.context = registers[0]!
    this.found = registers[1]!
    this.longest = registers[2]!
    this.orderFall = registers[3]!
    this.initialEscape = registers[4]!
    this.previousSuccess = registers[5]!
    this.highFlag = registers[6]!
    this.runLength = registers[7]!
  }
}
