/** "Did you mean": the nearest of the allowed words, for messages about misspelt names. */

/** Number of single-character edits, swaps of neighbours included, that turn `a` into `b`. */
const distance = (a: string, b: string): number => {
  const rows: Array<Array<number>> = Array.from({ length: a.length + 1 }, (_, i) => [i])
  for (let j = 1; j <= b.length; j++) rows[0]![j] = j
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const substitution = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      let best = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, substitution)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, rows[i - 2]![j - 2]! + 1)
      }
      rows[i]![j] = best
    }
  }
  return rows[a.length]![b.length]!
}

/** The allowed word nearest to `word`, when it is near enough to be what was meant. Case is ignored. */
export const nearest = (word: string, allowed: ReadonlyArray<string>): string | undefined => {
  const limit = Math.max(2, Math.floor(word.length / 3))
  let best: string | undefined
  let bestDistance = limit + 1
  for (const candidate of allowed) {
    // A beginning typed in full counts as near.
    const d = candidate.toLowerCase().startsWith(word.toLowerCase())
      ? 1
      : distance(word.toLowerCase(), candidate.toLowerCase())
    if (d < bestDistance) {
      best = candidate
      bestDistance = d
    }
  }
  return best
}

/** ` Did you mean "x"?` or nothing, ready to follow a sentence. */
export const suggestion = (word: string, allowed: ReadonlyArray<string>): string => {
  const found = nearest(word, allowed)
  return found === undefined ? "" : ` Did you mean "${found}"?`
}

/** Words as a readable list, in their order. */
export const list = (words: ReadonlyArray<string>): string => (words.length === 0 ? "none" : words.join(", "))
