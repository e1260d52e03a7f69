/**
 * Which optimizer updates which parameter: AdamW all of them, or Muon the hidden layers' matrices and AdamW the embeddings, the output layer
 * and the vectors. Muon's learning rate follows the same schedule in proportion.
 */
import { adamW } from "@trainyard/backends/program/optimizers/adamW"
import { muon } from "@trainyard/backends/program/optimizers/muon"
import type { Held, Optimizer } from "@trainyard/backends/program/optimizers/Optimizer"
import { type Parameter, parameters, type Spec } from "../model/Parameters.ts"
import type { Plan } from "./Plan.ts"
import type { TrainConfig } from "./TrainConfig.ts"

/** Name of the input that holds Muon's learning rate. */
const muonRate = "muonLearningRate"
const adamWRate = "learningRate"

/** Whether Muon updates a parameter. */
const isMuons = (kind: TrainConfig["optimizer"], { hiddenMatrices }: Parameter): boolean =>
  kind === "muon" && hiddenMatrices > 0

/** How many matrices Muon updates; each of those that are packed into one parameter counts. */
export const muonMatrices = (spec: Spec): number =>
  parameters(spec).reduce((sum, { hiddenMatrices }) => sum + hiddenMatrices, 0)

/** What is kept between steps for all parameters of a model, in the order of the parameters. */
export const optimizerState = (kind: TrainConfig["optimizer"], spec: Spec): ReadonlyArray<Held> =>
  parameters(spec).flatMap((parameter) => (isMuons(kind, parameter) ? muon() : adamW()).state(parameter))

export interface Optimizers {
  readonly kind: TrainConfig["optimizer"]
  /** The optimizer of a parameter, by its name. */
  readonly of: (parameter: Held) => Optimizer
  /** The learning rates' inputs, where the schedule gives this rate. */
  readonly rates: (rate: number) => Readonly<Record<string, Float32Array>>
}

/** The optimizers that these settings ask for. */
export const optimizersOf = (
  config: TrainConfig,
  { decay, muonDecay, spec }: Pick<Plan, "decay" | "muonDecay" | "spec">
): Optimizers => {
  const { beta1, beta2, epsilon, optimizer: kind } = config
  const byName = new Map(
    parameters(spec).map((parameter): readonly [string, Optimizer] => [
      parameter.name,
      isMuons(kind, parameter)
        ? muon({
            momentum: config.muon.momentum,
            nesterov: config.muon.nesterov,
            steps: config.muon.newtonSchulzSteps,
            weightDecay: muonDecay.weightDecay,
            parts: parameter.hiddenMatrices,
            learningRate: muonRate
          })
        : adamW({ beta1, beta2, epsilon, weightDecay: parameter.decays ? decay.weightDecay : 0 })
    ])
  )
  return {
    kind,
    of: ({ name }) => byName.get(name)!,
    rates: (rate) => ({
      [adamWRate]: Float32Array.of(rate),
      ...(kind === "muon" && {
        [muonRate]: Float32Array.of((rate * config.muon.learningRate) / config.learningRate)
      })
    })
  }
}
