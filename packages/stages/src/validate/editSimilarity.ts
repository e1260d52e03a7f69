/**
 * How alike two texts are: 1 - d / n, of the Levenshtein distance d (the least number of characters to insert, delete or replace) and the
 * length n of the longer text. 1 for equal texts.
 *
 * Source: Wagner and Fischer 1974, "The String-to-String Correction Problem", for the distance.
 */
export const editSimilarity = (one: string, other: string): number => {
  const [a, b] = [[...one], [...other]]
  const longest = Math.max(a.length, b.length)
  if (longest === 0) return 1
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (const [i, character] of a.entries()) {
    const next = [i + 1]
    for (const [j, its] of b.entries())
      next.push(Math.min(row[j + 1]! + 1, next[j]! + 1, row[j]! + (character === its ? 0 : 1)))
    row = next
  }
  return 1 - row[b.length]! / longest
}
