/** Ends a completion at the end of a top-level item of its language. */
import type { Tools } from "../languages/Language.ts"

export interface ItemLimit {
  /** The completion ends when this many items that it takes part in are complete; at least 1. */
  readonly count: number
  /** Finds the end of the last complete item, as a Language's tools do. */
  readonly lastItem: Tools["lastItem"]
}

/**
 * Takes a completion piece by piece; gives how many characters of a piece belong to it when it ends there, undefined where it goes on. An
 * item whose end is known only later, such as a block of Python, ends before the piece: then none of the piece belongs to it.
 */
export const itemLimit = (prompt: string, { count, lastItem }: ItemLimit) => {
  let text = prompt
  let end = prompt.length
  let items = 0
  return (piece: string): number | undefined => {
    const before = text
    text += piece
    if (lastItem(text).end <= end) return undefined
    // One piece may end several items, so that it is looked at character by character.
    for (let length = 1; length <= piece.length; length++) {
      const reached = lastItem(before + piece.slice(0, length)).end
      if (reached <= end) continue
      end = reached
      items++
      if (items === count) return Math.max(0, end - before.length)
    }
    return undefined
  }
}
