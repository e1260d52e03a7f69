/** The mixture of adaptive prediction, from the weights in a report's folder and the training text of a dataset. */
import { Effect } from "effect"
import * as FittedWeights from "../adaptive/FittedWeights.ts"
import * as DatasetReader from "../dataset/DatasetReader.ts"
import { countTraining } from "./adaptivePrediction.ts"
import { trainBaseline } from "./measure.ts"

export interface Options {
  /** Folder of the report, and the weights that it holds. */
  readonly report: string
  readonly weights: FittedWeights.FittedWeights
  /** Folder of a dataset with the model's tokenizer. */
  readonly dataset: string
}

/**
 * Counts the training text and opens the mixture. `sameText` is false where the dataset has another training text than the one that the
 * weights were fitted with: the mixture is a distribution all the same, only less fitting.
 *
 * Fails with `WeightsUnusable` for a dataset of another tokenizer, or weights of another mixture, and as `DatasetReader.open` does.
 */
export const openMixture = Effect.fn("validate.openMixture")(function* ({
  dataset,
  report,
  weights
}: Options) {
  const { train, value } = yield* DatasetReader.open(dataset)
  if (value.tokenizer !== weights.tokenizer)
    return yield* new FittedWeights.WeightsUnusable({
      directory: report,
      why: `the dataset ${dataset} has another tokenizer`
    })
  const { digest, order } = weights.training
  const kneserNey = yield* trainBaseline(order, value.vocabularySize, train)
  const training = yield* countTraining(train, kneserNey, weights.training)
  return {
    mixture: yield* FittedWeights.mixtureOf(report, training, weights),
    sameText: digest === value.train.digest
  }
}, Effect.scoped)
