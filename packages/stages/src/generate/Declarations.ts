/**
 * The names that are declared where a text is, block by block, and whether it declares one of them again. Parameters belong to the outermost block
 * of their function, as in C; the names of earlier items do not count.
 */
import type { DeclarationEvent } from "../languages/ViablePrefix.ts"

/** A name that is being written. */
interface Name {
  readonly text: string
  /** Whether it was declared already; said once, though the name may go on. */
  readonly again: boolean
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1")

/** A place in a text; a value, as a `Prefix` is. */
export class Declarations {
  /** Whether the bytes that were read last declare a name again, or end within a name that is such a one so far. */
  readonly again: boolean
  /** How many blocks are open. */
  private readonly depth: number
  /** Names by block, the innermost last; the first is that of the item and of its outermost block. */
  private readonly blocks: ReadonlyArray<ReadonlySet<string>>
  private readonly name: Name | undefined

  private constructor(
    depth: number,
    blocks: ReadonlyArray<ReadonlySet<string>>,
    name: Name | undefined,
    again: boolean
  ) {
    this.depth = depth
    this.blocks = blocks
    this.name = name
    this.again = again
  }

  /** At the beginning of a text. */
  static readonly none = new Declarations(0, [new Set()], undefined, false)

  /** The place after more bytes, of which these are the events. */
  read(bytes: Uint8Array, events: ReadonlyArray<DeclarationEvent>): Declarations {
    const isWithout = this.name === undefined && !this.again
    // The end of a word that is no name changes nothing.
    if (isWithout && events.every(({ event }) => event === "name-end")) return this
    const text = latin1(bytes)
    let { blocks, depth, name } = this
    let [from, again] = [0, false]
    const goOn = (to: number): void => {
      if (name === undefined) return
      const whole = name.text + text.slice(from, to)
      const repeats = !name.again && blocks.at(-1)!.has(whole)
      again ||= repeats
      name = { text: whole, again: name.again || repeats }
    }
    for (const each of events)
      switch (each.event) {
        case "name":
          name = { text: "", again: false }
          from = each.at
          break
        case "name-end":
          goOn(each.at)
          if (name !== undefined) blocks = [...blocks.slice(0, -1), new Set([...blocks.at(-1)!, name.text])]
          name = undefined
          break
        case "open":
          if (depth++ > 0) blocks = [...blocks, new Set()]
          break
        case "close":
          depth = Math.max(0, depth - 1)
          blocks = depth > 0 ? blocks.slice(0, -1) : [new Set()]
          break
        case "end":
          if (depth === 0) blocks = [new Set()]
      }
    goOn(text.length)
    return new Declarations(depth, blocks, name, again)
  }
}
