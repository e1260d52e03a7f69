/**
 * Prefix caching: what a slot still holds of the text that had it before. A text that begins with the same tokens need not read them again. As much
 * is taken as was read in the same runs as the new text would read it in, blocks and then tokens one by one, so that its keys and values are bit
 * for bit those that it would have alone.
 */

/** The tokens whose keys and values are in a slot. */
export interface CachedPrefix {
  /** The tokens, and maybe more that are not in the slot. */
  readonly context: ReadonlyArray<number>
  readonly cached: number
  /** Lengths of the blocks in which the first of them were read. The others were read one by one. */
  readonly blocks: ReadonlyArray<number>
}

export const emptyPrefix: CachedPrefix = { context: [], cached: 0, blocks: [] }

/** How many of the first tokens of two texts are the same, at most `most`. */
const commonOf = (a: ReadonlyArray<number>, b: ReadonlyArray<number>, most: number): number => {
  let common = 0
  while (common < most && a[common] === b[common]) common++
  return common
}

/** The part of a context that a slot has already, without its last token, whose logits are needed. `blocks`: lengths that there are, longest first. */
export const reusablePrefix = (
  held: CachedPrefix,
  context: ReadonlyArray<number>,
  blocks: ReadonlyArray<number>
): CachedPrefix => {
  const common = commonOf(held.context, context, Math.min(held.cached, context.length - 1))
  const taken: Array<number> = []
  let cached = 0
  for (;;) {
    const block = blocks.find((length) => cached + length < context.length)
    const before = held.blocks[taken.length]
    if (block === undefined && before === undefined) return { context, cached: common, blocks: taken }
    if (block === undefined || block !== before || cached + block > common)
      return { context, cached, blocks: taken }
    taken.push(block)
    cached += block
  }
}
