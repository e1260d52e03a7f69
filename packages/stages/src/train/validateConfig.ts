/** Settings of the train stage that contradict each other, or lack something. */
import type { Node } from "@trainyard/core/Stage"
import type { Model } from "../generate/ModelArtifact.ts"
import type { ModelShape } from "../model/ModelConfig.ts"
import { faultOf } from "../model/Parameters.ts"
import { contextFault } from "./contexts.ts"
import { finalRateOf } from "./Plan.ts"
import type { TrainConfig } from "./TrainConfig.ts"
import type { TrainedRun } from "./TrainedRun.ts"

/** What a pipeline must give, beyond what has no default: the model's shape, or something that has one. */
export type ModelOrStart =
  | { readonly model: ModelShape }
  | { readonly from: Node<typeof TrainedRun | typeof Model> }

export const missingModel =
  "model is missing: give model, such as Gpt.tiny, or start from a run or a model with from."

/** Why settings that each fit make no training together, in a sentence; undefined when they do. */
export const validateConfig = (
  config: TrainConfig,
  given: { readonly from: boolean; readonly teacher: boolean; readonly halving?: boolean }
): string | undefined => {
  const { averageLast, decaySteps, emaSteps, epochs, learningRate, model, steps, warmUp } = config
  if (model === undefined && !given.from) return missingModel
  const fault = model === undefined ? undefined : faultOf(model)
  if (fault !== undefined) return `The model cannot be built: ${fault}.`
  if (epochs !== undefined && steps !== undefined)
    return `epochs (${epochs}) and steps (${steps}) are both given. Keep the one that you mean, and take the other out of the pipeline.`
  if (averageLast > 0 && emaSteps > 0)
    return `averageLast (${averageLast}) and emaSteps (${emaSteps}) are both given, and one set of weights is published. Keep the average that you mean, and take the other out.`
  if (decaySteps !== undefined && warmUp !== undefined && decaySteps <= warmUp)
    return `decaySteps (${decaySteps}) is not after warmUp (${warmUp}), so the rate would have no step to fall in. Raise decaySteps or lower warmUp.`
  if (given.halving === true && !given.from)
    return "halving is given, and there is no run that it may end. Give from too, as the function halve does, or take halving out."
  if (config.distill !== undefined && !given.teacher)
    return "distill is given, and there is no teacher. Give teacher, a run or a model, or take distill out."
  if (config.initialization !== "random" && given.from)
    return `initialization is "${config.initialization}", and the weights come from \`from\`. Take one of the two out.`
  const context = contextFault(config.contextSchedule)
  if (context !== undefined) return context
  const floor = finalRateOf(config)
  return floor > learningRate
    ? `minLearningRate (${floor}) is above learningRate (${learningRate}), and the rate falls from the one to the other.`
    : undefined
}
