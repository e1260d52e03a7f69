/**
 * Where data parallel training begins: round 0, the weights from which every replica starts, drawn or those of a model. Says what is planned, and
 * refuses what cannot be before anything trains.
 */
import { join } from "node:path"
import type { Artifact } from "@trainyard/core/Artifact"
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import { Effect } from "effect"
import { Dataset } from "../dataset/Dataset.ts"
import { Model } from "../generate/ModelArtifact.ts"
import { initialWeights, parameterCount, parameters } from "../model/Parameters.ts"
import * as TensorFile from "../tensors/TensorFile.ts"
import { adviceOf } from "../train/advice.ts"
import { count } from "../train/figures.ts"
import { planOf, TrainingImpossible } from "../train/Plan.ts"
import { factsOf as planFacts } from "../train/publish.ts"
import { fromModel, type Start } from "../train/Start.ts"
import type { TrainConfig } from "../train/TrainConfig.ts"
import { missingModel, validateConfig } from "../train/validateConfig.ts"
import { AveragedWeights, parametersFile } from "./AveragedWeights.ts"
import { factsOf, innerExcluded, innerFields, replicaFields, trainConfigOf } from "./settings.ts"

const config = { ...innerFields, ...replicaFields, rounds: replicaFields.localSteps }

/** The plan of one replica, and what the plan of all together says of the data. */
const planned = Effect.fnUntraced(function* (
  settings: TrainConfig,
  replicas: number,
  dataset: Artifact<typeof Dataset>,
  start: Start | undefined
) {
  const model = start?.model ?? settings.model
  if (model === undefined) return yield* new TrainingImpossible({ message: missingModel })
  const facts = yield* factsOf(dataset, { index: 0, of: replicas })
  const plan = yield* planOf(settings, model, facts, start)
  // All replicas together read as one worker would that accumulates as many more batches.
  const together = {
    ...settings,
    gradientAccumulationSteps: settings.gradientAccumulationSteps * replicas
  }
  const whole = yield* planOf(together, model, { ...facts, shard: undefined }, start)
  return { plan, facts: planFacts(whole, together, parameterCount(plan.spec), start) }
})

export const replicaStart = Stage.make({
  name: "replica-start",
  version: 1,
  source: import.meta.url,
  inputs: {
    dataset: Dataset,
    /** The model whose weights are trained further; without one they are drawn. */
    from: Stage.optional(Model)
  },
  config,
  validateConfig: ({ localSteps, rounds, ...inner }, given) =>
    validateConfig(trainConfigOf(inner, localSteps * rounds), { from: given.from, teacher: false }),
  excludeFromCacheKey: [...innerExcluded, "replicas", "localSteps", "rounds"],
  output: AveragedWeights,
  run: Effect.fn("replica-start")(function* ({ config, inputs: { dataset, from }, output }) {
    const journal = yield* Journal
    const { localSteps, replicas, rounds, ...inner } = config
    const settings = trainConfigOf(inner, localSteps * rounds)
    const start = from === undefined ? undefined : yield* fromModel(from, dataset, settings)
    const { facts, plan } = yield* planned(settings, replicas, dataset, start)
    yield* journal.publish({
      type: "Facts",
      facts: [
        ...facts,
        {
          label: "Replicas",
          text: `${count(replicas)}, averaged every ${count(localSteps)} steps in ${count(rounds)} rounds`
        }
      ]
    })
    for (const message of start?.notes ?? []) yield* journal.publish({ type: "Note", level: "info", message })
    for (const message of adviceOf(settings, plan, undefined))
      yield* journal.publish({ type: "Note", level: "warning", message })
    const given = new Map(start?.tensors.parameters.map((tensor) => [tensor.name, tensor]))
    const drawn = initialWeights(plan.spec, settings.seed, settings.initialization)
    const weights = parameters(plan.spec).map((parameter) => {
      const { name, shape } = parameter
      return given.get(name) ?? { name, shape, read: Effect.sync(() => drawn(parameter)) }
    })
    yield* TensorFile.write(join(output, parametersFile), weights, {})
    return {
      round: 0,
      steps: 0,
      ...plan.spec,
      ...(from && {
        startedFrom: { cacheKey: from.cacheKey, step: from.value.provenance?.step ?? null }
      }),
      temperature: 1,
      validationLoss: null,
      best: null,
      seconds: 0
    }
  })
})
