/** Counts what `refine` dropped and changed. */
import type { Refinement } from "../collect/Corpus.ts"
import type { Change } from "./Examination.ts"

interface Sum {
  documents: number
  amount: number
}

const add = (sums: Map<string, Sum>, name: string, amount: number): void => {
  const sum = sums.get(name) ?? { documents: 0, amount: 0 }
  sum.documents++
  sum.amount += amount
  sums.set(name, sum)
}

const ordered = (sums: Map<string, Sum>) =>
  [...sums].sort(([a, one], [b, other]) => other.amount - one.amount || (a < b ? -1 : 1))

export const make = () => {
  const droppedSums = new Map<string, Sum>()
  const changedSums = new Map<string, Sum>()
  const kinds = new Map<string, Sum>()
  return {
    drop: (reason: string, bytes: number): void => add(droppedSums, reason, bytes),
    change: (changes: ReadonlyArray<Change>): void => {
      for (const [change, places] of Object.entries(Object.groupBy(changes, (each) => each.change)))
        add(changedSums, change, places!.length)
    },
    keep: (kind: string, bytes: number): void => add(kinds, kind, bytes),
    get dropped(): Refinement["dropped"] {
      return ordered(droppedSums).map(([reason, { amount, documents }]) => ({
        reason,
        documents,
        bytes: amount
      }))
    },
    get changed(): Refinement["changed"] {
      return ordered(changedSums).map(([change, { amount, documents }]) => ({
        change,
        documents,
        places: amount
      }))
    },
    /** By kind, largest count first. */
    get kinds() {
      return [...kinds]
        .map(([kind, { amount, documents }]) => ({ kind, documents, bytes: amount }))
        .toSorted((a, b) => b.documents - a.documents || (a.kind < b.kind ? -1 : 1))
    }
  }
}
