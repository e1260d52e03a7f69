/** Reads a batch's tokens, its targets, and where the documents in it begin. */
import { Effect, Schedule } from "effect"
import { startsInWindow } from "../dataset/DocumentStarts.ts"
import { fillStretch } from "./fillInTheMiddle.ts"
import type { LoopRun } from "./LoopRun.ts"
import type { Batch } from "./TrainingPrograms.ts"

const ignored = -1

/**
 * For every prediction of a row, the position at which its own document begins, the end token before the document included: what
 * attention may see. A row that is cut into windows of `length` counts within each of them.
 */
const setStarts = (starts: Int32Array, found: Int32Array, at: number, length: number): void => {
  for (const [index, start] of found.entries()) {
    const place = at + index
    const window = place - (place % length)
    starts[place] = Math.max(0, at + start - window)
  }
}

/** A batch's rows as stretches of one document each, none of which crosses from one window of `length` into the next: where each ends. */
const endsOfStretches = (found: Int32Array, at: number, length: number): ReadonlyArray<number> => {
  const ends: Array<number> = []
  for (let index = 1; index < found.length; index++)
    if (found[index] === index || (at + index) % length === 0) ends.push(index)
  return [...ends, found.length]
}

/** Reads a batch; a read that fails for a while is tried again. `length` is that of the windows that its rows are cut into. */
export const readBatch = (run: LoopRun, index: number, length: number) =>
  Effect.gen(function* () {
    const { batches, documents, filling, plan, train } = run
    const { batchSize, sequenceLength } = plan.data
    const size = batchSize * sequenceLength
    const batch: Batch = {
      tokens: new Int32Array(size).fill(run.endTokenId),
      targets: new Int32Array(size).fill(ignored),
      starts: plan.masksDocuments ? Int32Array.from({ length: size }, (_, at) => at % length) : undefined
    }
    for (const [row, pieces] of batches.rows(index).entries()) {
      let at = row * sequenceLength
      for (const { length: count, target } of pieces) {
        const stretch = yield* train.read((target - 1 + train.length) % train.length, count + 1)
        batch.tokens.set(stretch.subarray(0, count), at)
        batch.targets.set(stretch.subarray(1), at)
        if (batch.starts !== undefined || filling !== undefined) {
          const found = startsInWindow(documents.train, train.length, target, count)
          if (batch.starts !== undefined) setStarts(batch.starts, found, at, length)
          let begin = 0
          if (filling !== undefined)
            for (const end of endsOfStretches(found, at, length)) {
              // Rows are numbered on from epoch to epoch, so each epoch draws anew.
              const key = [index * batchSize + row, at + begin - row * sequenceLength]
              yield* fillStretch(filling, batch, at + begin, end - begin, key)
              begin = end
            }
        }
        at += count
      }
    }
    return batch
  }).pipe(
    Effect.tapError((error) =>
      run.journal.publish({
        type: "Fault",
        kind: "read",
        message: error.message,
        action: error._tag === "TokensUnreadable" && error.transient ? "tried again" : "training stops"
      })
    ),
    Effect.retry({
      schedule: Schedule.exponential("100 millis", 3),
      times: 4,
      while: (error) => error._tag === "TokensUnreadable" && error.transient
    })
  )
