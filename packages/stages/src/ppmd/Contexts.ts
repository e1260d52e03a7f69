/**
 * The contexts and symbols of a PPMd model, as they lie in its memory.
 *
 * A context has 12 bytes: number of symbols, sum of their frequencies, list of symbols, and the context that is one byte shorter. A symbol
 * has 6: symbol, frequency, and the context (or the place in the text) that follows. The only symbol of a context stands in the context.
 */
import { Units } from "./Units.ts"

/** Bytes of a symbol with its frequency and successor. */
export const stateBytes = 6

export class Contexts {
  readonly units: Units

  /** @param memory in bytes */
  constructor(memory: number) {
    this.units = new Units(memory)
  }

  symbols(context: number): number {
    return this.units.u16[context >> 1]!
  }
  sum(context: number): number {
    return this.units.u16[(context >> 1) + 1]!
  }
  setSum(context: number, sum: number): void {
    this.units.u16[(context >> 1) + 1] = sum
  }
  /** The first of a context's symbols. */
  states(context: number): number {
    return this.units.u16[context >> 1] === 1 ? context + 2 : this.units.u32[(context >> 2) + 1]!
  }
  suffix(context: number): number {
    return this.units.u32[(context >> 2) + 2]!
  }
  protected successor(state: number): number {
    const at = (state + 2) >> 1
    return this.units.u16[at]! + this.units.u16[at + 1]! * 65536
  }
  protected setSuccessor(state: number, to: number): void {
    const at = (state + 2) >> 1
    this.units.u16[at] = to & 0xffff
    this.units.u16[at + 1] = to >>> 16
  }
  protected copyState(to: number, from: number): void {
    const { u16 } = this.units
    u16[to >> 1] = u16[from >> 1]!
    u16[(to >> 1) + 1] = u16[(from >> 1) + 1]!
    u16[(to >> 1) + 2] = u16[(from >> 1) + 2]!
  }
  protected swapStates(a: number, b: number): void {
    const { u16 } = this.units
    for (let i = 0; i < 3; i++) {
      const held = u16[(a >> 1) + i]!
      u16[(a >> 1) + i] = u16[(b >> 1) + i]!
      u16[(b >> 1) + i] = held
    }
  }
  protected stateOf(context: number, symbol: number): number {
    let state = this.states(context)
    while (this.units.u8[state] !== symbol) state += stateBytes
    return state
  }
}
