/** Texts that `refine` changed, kept in a temporary file from the examination until the corpus is written. */
import { Effect, Schema } from "effect"
import { Row } from "../collect/Row.ts"
import * as Spool from "../collect/Spool.ts"
import type { Edited } from "./examine.ts"

const Kept = Schema.fromJsonString(
  Schema.Struct({
    text: Schema.String,
    changes: Schema.Array(Schema.Struct({ change: Schema.String, line: Schema.Int }))
  })
)

/** Where in an ascending row a number is; -1 where it is not. */
const find = ({ length, values }: Row<Uint32Array>, wanted: number): number => {
  let [low, high] = [0, length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (values[middle]! < wanted) low = middle + 1
    else high = middle
  }
  return low < length && values[low] === wanted ? low : -1
}

/** Opens the file. Documents have ascending numbers. */
export const open = Effect.fnUntraced(function* (file: string) {
  const written = yield* Spool.writer(file)
  const numbers = new Row(Uint32Array)
  const ends = new Row(Float64Array)
  let end = 0
  const encoder = new TextEncoder()
  const decoder = new TextDecoder()
  const decode = Schema.decodeUnknownEffect(Kept)
  return {
    add: Effect.fnUntraced(function* (number: number, { changes, text }: Edited) {
      const bytes = encoder.encode(JSON.stringify({ text, changes }))
      yield* written.append(bytes)
      end += bytes.length
      numbers.push(number)
      ends.push(end)
    }),
    /** Gives the edits by the documents' numbers, once all are added; undefined for a document that was not changed. */
    reader: Effect.gen(function* () {
      yield* written.flush
      const { read } = yield* Spool.reader(file)
      return Effect.fnUntraced(function* (number: number) {
        const at = find(numbers, number)
        if (at === -1) return undefined
        const start = at === 0 ? 0 : ends.values[at - 1]!
        // Written by this very run.
        return yield* Effect.orDie(decode(decoder.decode(yield* read(start, ends.values[at]! - start))))
      })
    })
  }
})
