/** How well the model and the n-gram baselines predict the text of the test and the validation split in any language. */
import type { Journal } from "@trainyard/core/Journal"
import { type Context, Effect } from "effect"
import type { DatasetReader } from "../dataset/DatasetReader.ts"
import type * as LoadedModel from "../generate/Model.ts"
import type { Language } from "../languages/Language.ts"
import type { Tokenizer } from "../tokenize/Tokenizer.ts"
import { perDocumentOf } from "./Baseline.ts"
import { compare } from "./comparisons.ts"
import { sample, scoreBaseline, scoreModel, trainBaseline } from "./measure.ts"
import { kindFigures, splitFigures } from "./predict.ts"
import type { YardstickName } from "./Report.ts"
import { sharedDocuments, sharedFigures } from "./sharedRuns.ts"
import { ValidationImpossible } from "./ValidationError.ts"

/** Windows that the model reads at a time. */
const batchSize = 8

export interface Options {
  readonly config: {
    readonly measuredTokens: number | null
    readonly baselines: ReadonlyArray<number>
    readonly baselinesToBeat: ReadonlyArray<number>
    readonly yardsticks: ReadonlyArray<YardstickName>
    readonly adaptive: boolean
    readonly seed: number
  }
  readonly directories: { readonly model: string; readonly dataset: string }
  readonly model: Effect.Success<ReturnType<typeof LoadedModel.open>>
  readonly spec: LoadedModel.Loaded["spec"]
  readonly dataset: DatasetReader
  readonly tokenizer: Tokenizer
  readonly language: Language | undefined
  readonly journal: Context.Service.Shape<typeof Journal>
}

/** Order of the n-grams below the cache and in the mixture. */
const mixedOrder = 5

/** The splits that are measured, the one that is reported on first. */
const measuredSplits = ({ config, dataset: { test, validation } }: Options) =>
  [
    ...(test === undefined ? [] : [{ name: "test", whole: test } as const]),
    { name: "validation", whole: validation } as const
  ].map((each) => ({
    ...each,
    measured: sample(each.whole, config.measuredTokens ?? Number.POSITIVE_INFINITY, config.seed)
  }))

/** Scores with each Kneser-Ney baseline, and keeps the model of order 5 where it is needed further on. */
const scoreBaselines = Effect.fnUntraced(function* (
  { config, dataset, spec }: Options,
  splits: ReturnType<typeof measuredSplits>
) {
  const orders = [...new Set([...config.baselines, ...config.baselinesToBeat])].sort((a, b) => a - b)
  const mixes = config.adaptive || config.yardsticks.includes("ngram-cache")
  const baselines: Array<{
    readonly order: number
    readonly scores: Effect.Success<ReturnType<typeof scoreBaseline>>
  }> = []
  let kneserNey: Effect.Success<ReturnType<typeof trainBaseline>> | undefined
  for (const order of new Set([...orders, ...(mixes ? [mixedOrder] : [])])) {
    const model = yield* trainBaseline(order, spec.vocabularySize, dataset.train)
    if (order === mixedOrder && mixes) kneserNey = model
    if (!orders.includes(order)) continue
    const scores = yield* scoreBaseline(
      model,
      splits.map((each) => each.measured)
    )
    baselines.push({ order, scores })
  }
  return { baselines, kneserNey }
})

/** The figures of each split, first of the one that the gates use; and how that one compares with what else there is. */
export const predictions = Effect.fn("validate.predictions")(function* (options: Options) {
  const { config, directories, journal, model } = options
  const { endTokenId } = options.dataset.value
  const { sequenceLength } = options.spec
  const splits = measuredSplits(options)
  const evaluating = yield* model.evaluating(batchSize)
  const modelScores = yield* Effect.forEach(splits, ({ measured, name }) =>
    scoreModel(evaluating, { batchSize, sequenceLength }, endTokenId, measured, (done, total) =>
      journal.publish({ type: "Progress", done, total, unit: `windows of the ${name} split` })
    )
  )
  const { baselines, kneserNey } = yield* scoreBaselines(options, splits)
  const baselinesOf = (index: number) =>
    baselines.map(({ order, scores }) => ({ order, scores: scores[index]! }))
  const shared = yield* sharedDocuments(
    options.dataset.train,
    splits.map(({ measured }) => measured)
  )
  const figures = yield* Effect.forEach(
    splits,
    Effect.fnUntraced(function* ({ measured, name, whole }, index) {
      const scored = {
        measured,
        ofDocuments: whole.documents.length,
        model: modelScores[index]!,
        baselines: baselinesOf(index),
        seed: config.seed
      }
      const predicted = splitFigures(scored)
      if (predicted === null) {
        return yield* new ValidationImpossible({
          message: `The ${name} split of ${directories.dataset} has no text. Collect more documents, or raise the ${name} share of the dataset.`
        })
      }
      if (!Number.isFinite(predicted.loss)) {
        return yield* new ValidationImpossible({
          message: `The loss of the model at ${directories.model} is not a finite number on the ${name} split: its weights are damaged, or training diverged. Train again, with a smaller learning rate if that happens again.`
        })
      }
      const figures = {
        ...predicted,
        shared: sharedFigures(measured, modelScores[index]!, shared[index]!, config.seed)
      }
      const perDocument = perDocumentOf(measured.documents, modelScores[index]!.bits)
      return { name, whole, figures, kinds: kindFigures(scored), perDocument }
    })
  )
  const withScores = (index: number) => ({ split: splits[index]!.measured, scores: modelScores[index]! })
  const compared = yield* compare({
    yardsticks: config.yardsticks,
    adaptive: config.adaptive,
    seed: config.seed,
    tokenizer: options.tokenizer,
    language: options.language,
    journal,
    train: options.dataset.train,
    measured: withScores(0),
    fitted: splits.length > 1 ? withScores(1) : undefined,
    kneserNey,
    baselines: baselinesOf(0)
  })
  return { first: figures[0]!, second: figures[1], ...compared }
})
