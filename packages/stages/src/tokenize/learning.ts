/** Learns merges step by step, on a thread: what that takes of memory goes with it. */
import type { Opened } from "../threads/serve.ts"
import { type Learned, learnMerges } from "./learnMerges.ts"

export interface Setup {
  readonly words: ReadonlyArray<string>
  readonly counts: ReadonlyArray<number>
  readonly size: number
  readonly minimumFrequency: number
}

/** How many entries there are so far, or what was learned. */
export type Result = { readonly entries: number } | { readonly learned: Learned }

/** Each task goes on with the learning. */
export const open: Opened<Setup, null, Result> = ({ counts, minimumFrequency, size, words }) => {
  const counted = new Map(words.map((word, at) => [word, counts[at]!]))
  const steps = learnMerges(counted, size, minimumFrequency)
  return {
    work: () => {
      const step = steps.next()
      return { result: step.done === true ? { learned: step.value } : { entries: step.value } }
    }
  }
}
