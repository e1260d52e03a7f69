/** The documents of the measured split that the model predicts worst, for `inspect`: often data, generated code or another language. */
import type * as View from "@trainyard/core/View"
import { Effect, Path } from "effect"
import { count, figure } from "../figures.ts"
import { fileName, type PerDocument, read } from "./Baseline.ts"

/** Documents that are listed. */
const listed = 20

/** Of shorter ones a few characters decide. */
const leastBytes = 100

const bitsPerByte = ({ bits, bytes }: PerDocument): number => bits / bytes

/** The documents with the most bits per byte, the worst first; of equal ones in the order of their names. */
export const worstOf = (documents: ReadonlyArray<PerDocument>): ReadonlyArray<PerDocument> =>
  documents
    .filter(({ bytes }) => bytes >= leastBytes)
    .toSorted((a, b) => bitsPerByte(b) - bitsPerByte(a) || (a.document < b.document ? -1 : 1))
    .slice(0, listed)

/** A table of them, from the `baseline.json` of a report's folder; nothing where that does not tell of documents one by one. */
export const worstSections = Effect.fnUntraced(function* (
  directory: string
): Effect.fn.Return<
  ReadonlyArray<View.Section>,
  never,
  Effect.Services<ReturnType<typeof read>> | Path.Path
> {
  const path = yield* Path.Path
  const documents = yield* read(path.join(directory, fileName)).pipe(
    Effect.map(({ perDocument = [] }) => perDocument),
    Effect.orElseSucceed((): ReadonlyArray<PerDocument> => [])
  )
  const worst = worstOf(documents)
  if (worst.length === 0) return []
  return [
    {
      title: `Predicted worst: ${worst.length} of ${count(documents.length)} documents (${fileName} has all)`,
      table: {
        columns: ["document", "bytes", "bits per byte"],
        rows: worst.map((each) => [each.document, count(each.bytes), figure(bitsPerByte(each))])
      }
    }
  ]
})
