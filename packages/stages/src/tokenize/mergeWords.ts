/** Byte-pair encoding of counted words with merges that were learned from others. */
import type { Learned } from "./learnMerges.ts"
import { letterOfByte } from "./splitting.ts"

const keyOf = (left: number, right: number): string => `${left} ${right}`

/** How many tokens the words make with these merges, and which. */
export const mergeWords = (
  words: ReadonlyMap<string, number>,
  { merges, tokens }: Pick<Learned, "merges" | "tokens">
): Pick<Learned, "totalTokens" | "usedTokens"> => {
  const usedTokens = new Set<number>()
  let totalTokens = 0
  if (words.size === 0) return { totalTokens, usedTokens }
  const idOf = new Map(tokens.map((token, id) => [token, id]))
  const rankOf = new Map(merges.map(([left, right], rank) => [keyOf(left, right), rank]))
  for (const [word, count] of words) {
    let ids = [...Buffer.from(word)].map((byte) => idOf.get(letterOfByte[byte]!)!)
    for (;;) {
      let first = Number.POSITIVE_INFINITY
      for (let at = 1; at < ids.length; at++) {
        first = Math.min(first, rankOf.get(keyOf(ids[at - 1]!, ids[at]!)) ?? first)
      }
      const merge = merges[first]
      if (merge === undefined) break
      const [left, right] = merge
      const merged = idOf.get(tokens[left]! + tokens[right]!)!
      const next: Array<number> = []
      for (let at = 0; at < ids.length; at++) {
        if (ids[at] === left && ids[at + 1] === right) {
          next.push(merged)
          at++
        } else next.push(ids[at]!)
      }
      ids = next
    }
    totalTokens += count * ids.length
    for (const id of ids) usedTokens.add(id)
  }
  return { totalTokens, usedTokens }
}
