/**
 * Texts that come and go while others are written: each has a slot, a row of the key-value cache, and a position of its own. One step reads a
 * block of one text's prompt, where one has so much left, and then a token of each text that has less; so a long prompt holds the others up
 * for one block a token.
 *
 * How a text is cut into blocks depends on it alone, and a token's logits do not depend on the texts beside it: see `Slots.ts`. When a text's
 * context is full, its slot is read again with the last half of it, in blocks, as in `Batch.ts`.
 *
 * A text takes the free slot that holds most of its beginning already, from a text before, and does not read that again: see `prefixCache.ts`.
 * What another slot has of its prompt is copied, so texts with the same prompt read it once.
 */
import type { Outputs, RunError } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import { Ports } from "../model/Ports.ts"
import { isKnown, type Row } from "./Batch.ts"
import { type CachedPrefix, emptyPrefix, reusablePrefix } from "./prefixCache.ts"
import type { Block, SlotGenerator, Width } from "./SlotGenerator.ts"

/** A text that takes part. */
interface Member<E> {
  readonly row: Row<E>
  readonly slot: number
  /** The tokens that the model sees. */
  readonly context: Array<number>
  /** How many of them are in the cache. */
  cached: number
  /** Lengths of the blocks in which the first of these were read. */
  blocks: Array<number>
}

/** What a width reads and gives, in the same memory each time. */
interface Scratch {
  readonly inputs: Readonly<Record<"tokens" | "offset" | "slots", Int32Array>>
  readonly isTaken: Set<number>
  /** What the width gave last: nobody reads it any more when it runs again. */
  given: Outputs | undefined
  /** The logits in it, row by row. */
  logits: ReadonlyArray<Float32Array>
}

const scratchOf = (rows: number): Scratch => ({
  inputs: {
    [Ports.tokens]: new Int32Array(rows),
    [Ports.offset]: new Int32Array(rows),
    [Ports.slots]: new Int32Array(rows)
  },
  isTaken: new Set(),
  given: undefined,
  logits: []
})

/** The logits of each row that a run gave. */
const logitsIn = (scratch: Scratch, rows: number, outputs: Outputs): Scratch["logits"] => {
  const all = outputs[Ports.logits]!
  if (scratch.given?.[Ports.logits] !== all || scratch.logits.length === 0) {
    const vocabulary = all.length / rows
    scratch.logits = Array.from({ length: rows }, (_, row) =>
      all.subarray(row * vocabulary, (row + 1) * vocabulary)
    )
  }
  scratch.given = outputs
  return scratch.logits
}

/** Takes a text out of the batch; nothing where it has ended. */
export type Leave = () => void

export class ContinuousBatch<E> {
  readonly #generator: SlotGenerator
  readonly #members = new Map<number, Member<E>>()
  /** Free slots, the one that was freed first in front. */
  readonly #free: Array<number>
  /** What each slot that is free holds. */
  readonly #prefixes: Array<CachedPrefix>
  readonly #scratch = new Map<Width, Scratch>()
  /** Lengths of the blocks, longest first. */
  readonly #lengths: ReadonlyArray<number>

  constructor(generator: SlotGenerator) {
    this.#generator = generator
    this.#lengths = generator.blocks.map(({ length }) => length)
    this.#free = Array.from({ length: generator.slots }, (_, slot) => slot)
    this.#prefixes = this.#free.map(() => emptyPrefix)
  }

  /** Slots that no text has. */
  get free(): number {
    return this.#free.length
  }

  /** Adds a text, between two steps or while one runs; it needs a free slot. It takes part until it ends or leaves. */
  join(row: Row<E>): Leave {
    const context = row.prompt.slice(-this.#generator.sequenceLength)
    const found = this.#longestPrefix(context)
    if (found === undefined) throw new RangeError("a batch without a free slot was joined")
    const { prefix, slot } = found
    this.#free.splice(this.#free.indexOf(slot), 1)
    const member = { row, slot, context, cached: prefix.cached, blocks: [...prefix.blocks] }
    this.#members.set(slot, member)
    return () => this.#remove(member)
  }

  /** The free slot that has most of a context, of several the one that was freed first. */
  #longestPrefix(
    context: ReadonlyArray<number>
  ): { readonly slot: number; readonly prefix: CachedPrefix } | undefined {
    let most: { readonly slot: number; readonly prefix: CachedPrefix } | undefined
    for (const slot of this.#free) {
      const prefix = reusablePrefix(this.#prefixes[slot]!, context, this.#lengths)
      if (most === undefined || prefix.cached > most.prefix.cached) most = { slot, prefix }
    }
    return most
  }

  /** Goes on by a token of each text, or by a block of a prompt; gives whether there was a text. One step at a time. */
  get step(): Effect.Effect<boolean, RunError | E> {
    return Effect.suspend(() => this.#step())
  }

  readonly #step = Effect.fnUntraced(function* (this: ContinuousBatch<E>) {
    if (this.#members.size === 0) return false
    yield* this.#copyPrefixes()
    const reading = this.#firstWithBlock()
    if (reading !== undefined) yield* this.#readBlock(...reading)
    const ready: Array<Member<E>> = []
    for (const member of this.#members.values()) if (this.#blockOf(member) === undefined) ready.push(member)
    for (let at = 0; at < ready.length; ) {
      const left = ready.length - at
      const { widths } = this.#generator
      const width = widths.find(({ rows }) => rows >= left) ?? widths.at(-1)!
      yield* this.#readTokens(width, ready.slice(at, at + width.rows))
      at += width.rows
    }
    return true
  })

  /** The longest block that is left of a text without its last token, whose logits are needed. */
  #blockOf({ cached, context }: Member<E>): Block | undefined {
    // The usual case first: a text that reads its own last token.
    if (cached + 1 >= context.length) return undefined
    return this.#generator.blocks.find(({ length }) => cached + length < context.length)
  }

  #firstWithBlock(): readonly [Member<E>, Block] | undefined {
    for (const member of this.#members.values()) {
      const block = this.#blockOf(member)
      if (block === undefined) continue
      // The next step is for the text that has waited longest.
      this.#members.delete(member.slot)
      this.#members.set(member.slot, member)
      return [member, block]
    }
    return undefined
  }

  /** Takes from other slots what they have of the texts that would read a block now. */
  readonly #copyPrefixes = Effect.fnUntraced(function* (this: ContinuousBatch<E>) {
    const { copy } = this.#generator
    if (copy === undefined) return
    for (const member of this.#members.values()) {
      if (this.#blockOf(member) === undefined) continue
      for (const [slot, free] of this.#prefixes.entries()) {
        if (slot === member.slot) continue
        const prefix = reusablePrefix(this.#members.get(slot) ?? free, member.context, this.#lengths)
        if (prefix.cached <= member.cached) continue
        yield* copy(slot, member.slot, member.cached, prefix.cached)
        member.cached = prefix.cached
        member.blocks = [...prefix.blocks]
      }
    }
  })

  readonly #readBlock = Effect.fnUntraced(function* (
    this: ContinuousBatch<E>,
    member: Member<E>,
    { length, program }: Block
  ) {
    const { cached, context, slot } = member
    yield* program.run({
      [Ports.tokens]: Int32Array.from(context.slice(cached, cached + length)),
      [Ports.offset]: Int32Array.of(cached),
      [Ports.slots]: Int32Array.of(slot)
    })
    member.cached += length
    member.blocks.push(length)
  })

  readonly #readTokens = Effect.fnUntraced(function* (
    this: ContinuousBatch<E>,
    width: Width,
    members: ReadonlyArray<Member<E>>
  ) {
    const { program, rows } = width
    let scratch = this.#scratch.get(width)
    if (scratch === undefined) {
      scratch = scratchOf(rows)
      this.#scratch.set(width, scratch)
    }
    this.#fill(scratch, members)
    const { inputs } = scratch
    const logits = logitsIn(scratch, rows, yield* program.run(inputs, scratch.given))
    for (let row = 0; row < members.length; row++) {
      const member = members[row]!
      // One that left while the program ran is not asked.
      if (this.#members.get(member.slot) !== member) continue
      member.cached++
      if (member.cached < member.context.length) continue
      const next = member.row.next(logits[row]!)
      const token = isKnown(next) ? next : yield* next
      if (token === undefined) this.#remove(member)
      else this.#add(member, token)
    }
  })

  /** Writes what the next run reads. */
  #fill({ inputs, isTaken }: Scratch, members: ReadonlyArray<Member<E>>): void {
    const [tokens, offsets, slots] = [inputs[Ports.tokens], inputs[Ports.offset], inputs[Ports.slots]]
    isTaken.clear()
    for (let row = 0; row < members.length; row++) {
      const { cached, context, slot } = members[row]!
      tokens[row] = context[cached]!
      offsets[row] = cached
      slots[row] = slot
      isTaken.add(slot)
    }
    // Rows without a text write where nothing is read before it is written again: at the end of another slot's part.
    for (let [row, slot] = [members.length, 0]; row < tokens.length; slot++) {
      if (isTaken.has(slot)) continue
      tokens[row] = 0
      offsets[row] = this.#endOf(slot)
      slots[row++] = slot
    }
  }

  /** Where nothing of a slot is that is read again. */
  #endOf(slot: number): number {
    const member = this.#members.get(slot)
    if (member !== undefined) return member.cached
    const prefix = this.#prefixes[slot]!
    const last = this.#generator.sequenceLength - 1
    if (prefix.cached > last) this.#prefixes[slot] = { ...prefix, cached: last }
    return Math.min(prefix.cached, last)
  }

  #add(member: Member<E>, token: number): void {
    const { sequenceLength } = this.#generator
    member.context.push(token)
    if (member.context.length <= sequenceLength) return
    // Cached keys hold their positions and cannot be moved.
    member.context.splice(0, member.context.length - Math.max(1, Math.floor(sequenceLength / 2)))
    member.cached = 0
    member.blocks = []
  }

  #remove(member: Member<E>): void {
    if (this.#members.get(member.slot) !== member) return
    this.#members.delete(member.slot)
    const { blocks, cached, context } = member
    this.#prefixes[member.slot] = { blocks, cached, context }
    this.#free.push(member.slot)
  }
}
