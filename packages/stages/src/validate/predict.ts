/** The figures of prediction over one split: the model's and the baselines', together and by kind of document. */
import type { SplitReader } from "../dataset/DatasetReader.ts"
import { type Scores, summarize } from "./measure.ts"
import type { KindFigures, SplitFigures } from "./Report.ts"

export interface Scored {
  /** The documents that were measured. */
  readonly measured: SplitReader
  /** How many the split has. */
  readonly ofDocuments: number
  readonly model: Scores
  readonly baselines: ReadonlyArray<{ readonly order: number; readonly scores: Scores }>
}

/** Null when the documents hold no text. */
export const splitFigures = ({ baselines, measured, model, ofDocuments }: Scored): SplitFigures | null => {
  const { documents } = measured
  const prediction = summarize(documents, model)
  if (prediction === null) return null
  return {
    ...prediction,
    documents: documents.length,
    ofDocuments,
    tokens: documents.reduce((sum, each) => sum + each.tokens, 0),
    bytes: documents.reduce((sum, each) => sum + each.bytes, 0),
    baselines: baselines.flatMap(({ order, scores }) => {
      const own = summarize(documents, scores)
      return own === null ? [] : [{ order, ...own }]
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
