/** Where the time of a training step goes, from engines that can tell. */
import { Effect } from "effect"
import type { Inputs, Prepared } from "../Backend.ts"

/** A share of a step's time. */
export interface Share {
  readonly operation: string
  readonly share: number
}

/** The shares of operations in a step's time, the longest first. Engines tell step by step, or operation by operation. */
export const sharesOf = Effect.fnUntraced(function* (
  profile: NonNullable<Prepared["profile"]>,
  inputs: () => Inputs,
  seconds: number
) {
  const times = new Map<string, number>()
  const end = performance.now() + seconds * 1000
  // Clocks are coarse in some engines: of a quick step they may show nothing.
  const mostRounds = 1000
  let total = 0
  for (let round = 0; round < mostRounds && (total === 0 || performance.now() < end); round++)
    for (const { milliseconds, operation } of yield* profile(inputs())) {
      times.set(operation, (times.get(operation) ?? 0) + milliseconds)
      total += milliseconds
    }
  if (total === 0) return []
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .map(([operation, milliseconds]) => ({ operation, share: milliseconds / total }))
})
