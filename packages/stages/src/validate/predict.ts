/** The figures of prediction over one split: the model's and the baselines', together and by kind of document. */
import type { SplitReader } from "../dataset/DatasetReader.ts"
import { intervalOf } from "./bootstrap.ts"
import { type Scores, summarize } from "./measure.ts"
import type { KindFigures, Ratio, SplitFigures } from "./Report.ts"

export interface Scored {
  /** The documents that were measured. */
  readonly measured: SplitReader
  /** How many the split has. */
  readonly ofDocuments: number
  readonly model: Scores
  readonly baselines: ReadonlyArray<{ readonly order: number; readonly scores: Scores }>
  /** Draws the bootstrap. */
  readonly seed: number
}

const total = (values: ArrayLike<number>): number => Array.from(values).reduce((sum, each) => sum + each, 0)

/** Bits of one prediction divided by those of another, document by document. */
export const ratioOf = (
  above: ArrayLike<number>,
  below: ArrayLike<number>,
  seed: number
): typeof Ratio.Type => ({
  value: total(above) / total(below),
  interval: intervalOf(above, below, seed)
})

/** Null when the documents hold no text. */
export const splitFigures = ({
  baselines,
  measured,
  model,
  ofDocuments,
  seed
}: Scored): SplitFigures | null => {
  const { documents } = measured
  const prediction = summarize(documents, model)
  if (prediction === null) return null
  const bytes = documents.map((each) => each.bytes)
  return {
    ...prediction,
    interval: intervalOf(model.bits, bytes, seed),
    documents: documents.length,
    ofDocuments,
    tokens: documents.reduce((sum, each) => sum + each.tokens, 0),
    bytes: total(bytes),
    baselines: baselines.flatMap(({ order, scores }) => {
      const own = summarize(documents, scores)
      return own === null
        ? []
        : [
            {
              order,
              ...own,
              interval: intervalOf(scores.bits, bytes, seed),
              ratio: ratioOf(model.bits, scores.bits, seed)
            }
          ]
    })
  }
}

/** Bits per byte by kind of document, most bytes first. */
export const kindFigures = ({ baselines, measured, model }: Scored): ReadonlyArray<KindFigures> =>
  [...new Set(measured.documents.map(({ kind }) => kind))]
    .flatMap((kind) => {
      const of = (index: number) => measured.documents[index]!.kind === kind
      const own = summarize(measured.documents, model, of)
      if (own === null) return []
      return {
        kind,
        bytes: measured.documents.reduce((sum, each) => sum + (each.kind === kind ? each.bytes : 0), 0),
        bitsPerByte: own.bitsPerByte,
        baselines: baselines.map(({ scores }) => summarize(measured.documents, scores, of)?.bitsPerByte ?? 0)
      }
    })
    .sort((a, b) => b.bytes - a.bytes)
