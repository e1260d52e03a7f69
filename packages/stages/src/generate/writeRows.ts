/**
 * Any number of texts, as many at once as a generator writes. Where it has slots, a text begins as soon as another has ended, and rows that have
 * ended cost nothing; otherwise one batch follows the other: see `Batch.ts`.
 */
import type { RunError } from "@trainyard/backends/Backend"
import { Effect } from "effect"
import { begin, type Row, type TextGenerator } from "./Batch.ts"
import { ContinuousBatch } from "./ContinuousBatch.ts"

/**
 * Begins to write a row for each item; it is made when its turn comes. Each run of what this gives goes on by a token of each row that is written, or
 * by a block of a prompt; it gives whether there was something to do. One such at a time on one generator, since all share its cache.
 */
export const writeRows = <A, E>(
  generator: TextGenerator,
  items: ReadonlyArray<A>,
  rowOf: (item: A) => Row<E>
): Effect.Effect<boolean, RunError | E> => {
  let begun = 0
  const taken = (most: number): ReadonlyArray<Row<E>> => {
    const some = items.slice(begun, begun + most)
    begun += some.length
    return some.map(rowOf)
  }
  const { slots } = generator
  if (slots !== undefined) {
    const batch = new ContinuousBatch<E>(slots)
    return Effect.suspend(() => {
      if (begun < items.length) for (const row of taken(batch.free)) batch.join(row)
      return batch.step
    })
  }
  const next = () => begin(generator, taken(generator.rows ?? 1))
  let step: Effect.Effect<boolean, RunError | E> | undefined
  return Effect.suspend(() => {
    step ??= next()
    return Effect.flatMap(step, (more) => {
      if (more) return Effect.succeed(true)
      step = next()
      return step
    })
  })
}
