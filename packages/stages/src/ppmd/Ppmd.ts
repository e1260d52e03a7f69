/**
 * PPMd variant H with 7-Zip's range encoder: the bytes that a text is compressed to, byte for byte those of 7-Zip and pyppmd while
 * their memory suffices. A state can be kept and gone back to, so that a model that was primed once compresses many documents.
 */
import { stateBytes } from "./Contexts.ts"
import { Model, type ModelSnapshot } from "./Model.ts"
import { type Position, RangeEncoder } from "./RangeEncoder.ts"

const expEscape = [25, 14, 9, 7, 5, 5, 4, 4, 4, 3, 3, 3, 2, 2, 2, 2]

export interface Snapshot {
  readonly model: ModelSnapshot
  readonly position: Position
}

export class Ppmd {
  private readonly model: Model
  private readonly encoder = new RangeEncoder()
  /** For each byte the last round in which a longer context has ruled it out. */
  private readonly ruledOut = new Int32Array(256)
  private round = 0

  /** @param order longest context in bytes, 2 to 64; @param memory in bytes. Throws `MemoryFull` where that does not suffice. */
  constructor(order: number, memory: number) {
    this.model = new Model(order, memory)
  }

  /** Bytes of the output, if it ended here. */
  get size(): number {
    return this.encoder.size
  }

  encode(text: Uint8Array, from = 0, to = text.length): void {
    for (let at = from; at < to; at++) this.encodeByte(text[at]!)
  }

  finish(): Uint8Array {
    return this.encoder.finish()
  }

  snapshot(): Snapshot {
    return { model: this.model.snapshot(), position: this.encoder.position() }
  }

  restore({ model, position }: Snapshot): void {
    this.model.restore(model)
    this.encoder.restore(position)
  }

  private encodeByte(byte: number): void {
    const { model } = this
    this.round++
    const found = model.symbols(model.context) === 1 ? this.encodeOnly(byte) : this.encodeFirst(byte)
    if (!found) while (!this.encodeEscaped(byte));
  }

  /** In a context with one symbol. */
  private encodeOnly(byte: number): boolean {
    const { encoder, model } = this
    const { u8 } = model.units
    const state = model.context + 2
    const { binary } = model.estimates
    const index = model.binaryIndex()
    const probability = binary[index]!
    const mean = (probability + 32) >> 7
    if (u8[state] === byte) {
      encoder.encodeBit(false, probability)
      binary[index] = probability + 128 - mean
      model.found = state
      model.updateOnly()
      return true
    }
    encoder.encodeBit(true, probability)
    binary[index] = probability - mean
    model.initialEscape = expEscape[binary[index]! >> 10]!
    this.ruledOut[u8[state]!] = this.round
    model.previousSuccess = 0
    return false
  }

  /** In a context with several symbols. */
  private encodeFirst(byte: number): boolean {
    const { encoder, model, round, ruledOut } = this
    const { u8 } = model.units
    const { context } = model
    const total = model.sum(context)
    const first = model.states(context)
    if (u8[first] === byte) {
      encoder.encode(0, u8[first + 1]!, total)
      model.found = first
      model.updateFirst()
      return true
    }
    model.previousSuccess = 0
    let below = u8[first + 1]!
    const end = first + stateBytes * model.symbols(context)
    for (let state = first + stateBytes; state < end; state += stateBytes) {
      if (u8[state] === byte) {
        encoder.encode(below, u8[state + 1]!, total)
        model.found = state
        model.updateOther()
        return true
      }
      below += u8[state + 1]!
    }
    model.setHighFlag()
    for (let state = first; state < end; state += stateBytes) ruledOut[u8[state]!] = round
    encoder.encode(below, total - below, total)
    return false
  }

  /** In the next shorter context that has more symbols. */
  private encodeEscaped(byte: number): boolean {
    const { encoder, model, round, ruledOut } = this
    const { u8 } = model.units
    const masked = model.symbols(model.context)
    do {
      model.orderFall++
      model.context = model.suffix(model.context)
    } while (model.symbols(model.context) === masked)
    const see = model.seeIndex(masked)
    const escape = model.estimates.escapeFrequency(see)
    const first = model.states(model.context)
    const end = first + stateBytes * model.symbols(model.context)
    let found = 0
    let below = 0
    let sum = 0
    for (let state = first; state < end; state += stateBytes) {
      if (ruledOut[u8[state]!] === round) continue
      if (u8[state] === byte) {
        found = state
        below = sum
      }
      sum += u8[state + 1]!
    }
    if (found === 0) {
      for (let state = first; state < end; state += stateBytes) ruledOut[u8[state]!] = round
      encoder.encode(sum, escape, sum + escape)
      model.estimates.escaped(see, sum + escape)
      return false
    }
    encoder.encode(below, u8[found + 1]!, sum + escape)
    model.estimates.found(see)
    model.found = found
    model.updateEscaped()
    return true
  }
}

/** The compressed text. Throws `MemoryFull` where the memory does not suffice. */
export const compress = (text: Uint8Array, order: number, memory: number): Uint8Array => {
  const ppmd = new Ppmd(order, memory)
  ppmd.encode(text)
  return ppmd.finish()
}
