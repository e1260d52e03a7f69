/** What `generate --adaptive` mixes the model with: fitted weights from a report, and the training text of a dataset. */
import { digestFile } from "@trainyard/core/Durable"
import * as Published from "@trainyard/core/Published"
import * as Store from "@trainyard/core/Store"
import { Workspace } from "@trainyard/core/Workspace"
import * as FittedWeights from "@trainyard/stages/adaptive/FittedWeights"
import { Dataset } from "@trainyard/stages/dataset/Dataset"
import type { Loaded } from "@trainyard/stages/generate/Model"
import { openMixture } from "@trainyard/stages/validate/openMixture"
import { Report } from "@trainyard/stages/validate/Report"
import { Effect, Option, Path } from "effect"
import { WrongUsage } from "./ExitCode.ts"

export interface Options {
  readonly model: Loaded
  readonly report: Option.Option<string>
  readonly dataset: Option.Option<string>
}

/** The report that is named, or the newest one of the workspace whose weights were fitted with this model. */
const findWeights = Effect.fnUntraced(function* (
  model: Loaded,
  sha256: string,
  report: Option.Option<string>
) {
  const path = yield* Path.Path
  if (Option.isSome(report)) {
    const directory = path.resolve(report.value)
    const weights = yield* FittedWeights.load(directory)
    return weights.model === sha256
      ? { directory, weights }
      : yield* new WrongUsage({
          message: `The weights in ${directory} were fitted with another model than ${model.directory}. Name a report of this model with --report.`
        })
  }
  const { root } = yield* Workspace
  for (const { directory } of yield* Store.ofKind(Report)) {
    const weights = yield* Effect.option(FittedWeights.load(directory))
    if (Option.isSome(weights) && weights.value.model === sha256) return { directory, weights: weights.value }
  }
  return yield* new WrongUsage({
    message: `No report in ${root} has weights of adaptive prediction for ${model.directory}. Fit them: trainyard validate PIPELINE.ts --set validate.adaptive=true; or name such a report with --report.`
  })
})

/** The dataset that is named, or the newest one of the workspace with the model's tokenizer. */
const findDataset = Effect.fnUntraced(function* (model: Loaded, dataset: Option.Option<string>) {
  if (Option.isSome(dataset)) {
    const { directory, value } = yield* Published.open(Dataset, dataset.value)
    return value.tokenizer === model.tokenizer
      ? directory
      : yield* new WrongUsage({
          message: `The dataset ${directory} has another tokenizer than ${model.directory}. Name a dataset that was made with this model's tokenizer with --dataset.`
        })
  }
  const { root } = yield* Workspace
  for (const { directory, value } of yield* Store.ofKind(Dataset))
    if (value.tokenizer === model.tokenizer) return directory
  return yield* new WrongUsage({
    message: `No dataset in ${root} has the tokenizer of ${model.directory}, and adaptive prediction reads the training text. Name a dataset folder with --dataset.`
  })
})

/** Finds both and counts the training text. */
export const open = Effect.fn("AdaptiveMixture.open")(function* ({ dataset, model, report }: Options) {
  const path = yield* Path.Path
  const { sha256 } = yield* digestFile(path.join(model.directory, "model.safetensors"))
  const found = yield* findWeights(model, sha256, report)
  const directory = yield* findDataset(model, dataset)
  const { mixture, sameText } = yield* openMixture({
    report: found.directory,
    weights: found.weights,
    dataset: directory
  })
  return { mixture, sameText, report: found.directory, dataset: directory }
})
