/** How well the model and the n-gram baselines predict the text of the test and the validation split in any language. */
import type { Journal } from "@trainyard/core/Journal"
import { type Context, Effect } from "effect"
import type { DatasetReader } from "../dataset/DatasetReader.ts"
import type * as LoadedModel from "../generate/Model.ts"
import { sample, scoreBaseline, scoreModel } from "./measure.ts"
import { kindFigures, splitFigures } from "./predict.ts"
import { ValidationImpossible } from "./ValidationError.ts"

/** Windows that the model reads at a time. */
const batchSize = 8

export interface Options {
  readonly config: {
    readonly measuredTokens: number | null
    readonly baselines: ReadonlyArray<number>
    readonly baselinesToBeat: ReadonlyArray<number>
    readonly seed: number
  }
  readonly directories: { readonly model: string; readonly dataset: string }
  readonly model: Effect.Success<ReturnType<typeof LoadedModel.open>>
  readonly spec: LoadedModel.Loaded["spec"]
  readonly dataset: DatasetReader
  readonly journal: Context.Service.Shape<typeof Journal>
}

/** The figures of each split: first the one that the gates use, then the other. */
export const predictions = Effect.fn("validate.predictions")(function* (options: Options) {
  const { config, directories, journal, model } = options
  const { endTokenId } = options.dataset.value
  const { test, train, validation } = options.dataset
  const { sequenceLength, vocabularySize } = options.spec
  const most = config.measuredTokens ?? Number.POSITIVE_INFINITY
  const splits = [
    ...(test === undefined ? [] : [{ name: "test", whole: test } as const]),
    { name: "validation", whole: validation } as const
  ].map((each) => ({ ...each, measured: sample(each.whole, most, config.seed) }))

  const evaluating = yield* model.evaluating(batchSize)
  const modelScores = yield* Effect.forEach(splits, ({ measured, name }) =>
    scoreModel(evaluating, { batchSize, sequenceLength }, endTokenId, measured, (done, total) =>
      journal.publish({ type: "Progress", done, total, unit: `windows of the ${name} split` })
    )
  )
  const orders = [...new Set([...config.baselines, ...config.baselinesToBeat])].sort((a, b) => a - b)
  const measured = splits.map((each) => each.measured)
  const baselineScores = yield* Effect.forEach(orders, (order) =>
    Effect.map(scoreBaseline(order, vocabularySize, train, measured), (scores) => ({ order, scores }))
  )
  const figuresOf = Effect.fnUntraced(function* (
    { measured, name, whole }: (typeof splits)[number],
    index: number
  ) {
    const scored = {
      measured,
      ofDocuments: whole.documents.length,
      model: modelScores[index]!,
      baselines: baselineScores.map(({ order, scores }) => ({ order, scores: scores[index]! }))
    }
    const figures = splitFigures(scored)
    if (figures === null) {
      return yield* new ValidationImpossible({
        message: `The ${name} split of ${directories.dataset} has no text. Collect more documents, or raise the ${name} share of the dataset.`
      })
    }
    if (!Number.isFinite(figures.loss)) {
      return yield* new ValidationImpossible({
        message: `The loss of the model at ${directories.model} is not a finite number on the ${name} split: its weights are damaged, or training diverged. Train again, with a smaller learning rate if that happens again.`
      })
    }
    return { name, whole, figures, kinds: kindFigures(scored) }
  })
  return yield* Effect.forEach(splits, figuresOf)
})
