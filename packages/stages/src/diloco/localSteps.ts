/**
 * One replica's round: it trains so many steps from the last average on its own share of the batches, with its own optimizer. Killed at any
 * moment, it goes on from its newest checkpoint and ends with the same bits.
 */
import { join } from "node:path"
import { Backend } from "@trainyard/backends/Backend"
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import { Effect, FileSystem, Schema } from "effect"
import { Dataset } from "../dataset/Dataset.ts"
import { parameters, type Spec } from "../model/Parameters.ts"
import { largestHalf } from "../tensors/halfPrecision.ts"
import { release } from "../tensors/release.ts"
import * as TensorFile from "../tensors/TensorFile.ts"
import { trainToEnd } from "../train/Attempts.ts"
import type { Verified } from "../train/CheckpointFolder.ts"
import { count } from "../train/figures.ts"
import { optimizerState } from "../train/optimizers.ts"
import { planOf } from "../train/Plan.ts"
import { CheckpointFailed } from "../train/Snapshot.ts"
import { initial, type Origin } from "../train/State.ts"
import { decisive, openCheckpoints, openDataset } from "../train/train.ts"
import { AveragedWeights, curveFile, parametersFile } from "./AveragedWeights.ts"
import { AveragingImpossible } from "./AveragingImpossible.ts"
import { differenceFile, optimizerFile, ReplicaRound } from "./ReplicaRound.ts"
import {
  factsOf,
  innerExcluded,
  innerFields,
  innerStateField,
  replicaFields,
  seedOf,
  trainConfigOf
} from "./settings.ts"
import * as Weights from "./weights.ts"

/** Writes how far the weights moved, in float16. Gives the L2 norm of the differences. */
const writeDifference = Effect.fnUntraced(function* (
  before: Effect.Success<ReturnType<typeof Weights.open>>,
  { directory }: Verified,
  spec: Spec,
  output: string
) {
  const after = yield* Weights.open(directory, parametersFile, parameters(spec))
  let squares = 0
  const differences = before.map(({ name, read, shape }, index) => ({
    name,
    shape,
    read: Effect.gen(function* () {
      const values = yield* read
      const moved = yield* after[index]!.read
      let largest = 0
      for (let i = 0; i < values.length; i++) {
        const difference = values[i]! - moved[i]!
        values[i] = difference
        squares += difference * difference
        largest = Math.max(largest, Math.abs(difference))
      }
      release(moved)
      // NaN is not below it either.
      if (!(largest <= largestHalf))
        return yield* new AveragingImpossible({
          message: `The local steps have moved ${name} by ${largest}, more than float16 holds: training has diverged. Lower learningRate.`
        })
      return values
    })
  }))
  yield* TensorFile.write(join(output, differenceFile), differences, {}, "F16")
  return Math.sqrt(squares)
})

export const localSteps = Stage.make({
  name: "local-steps",
  version: 1,
  source: import.meta.url,
  inputs: {
    dataset: Dataset,
    /** What it starts from. */
    average: AveragedWeights,
    /** The round before of the same replica; without it this is the first. */
    previous: Stage.optional(ReplicaRound)
  },
  config: { ...innerFields, ...replicaFields, ...innerStateField, replica: Schema.Int },
  excludeFromCacheKey: [...innerExcluded],
  output: ReplicaRound,
  usesBackend: true,
  run: Effect.fn("local-steps")(function* ({ config, inputs, output, scratch }) {
    const { average, dataset, previous } = inputs
    const { innerState, localSteps, replica, replicas, ...inner } = config
    const backend = yield* Backend
    const journal = yield* Journal
    const fs = yield* FileSystem.FileSystem
    const round = average.value.round + 1
    const done = average.value.steps
    const settings = trainConfigOf(inner, done + localSteps)
    const facts = yield* factsOf(dataset, { index: replica - 1, of: replicas })
    const plan = yield* planOf(settings, average.value.model, facts, {
      sequenceLength: average.value.sequenceLength,
      done: { steps: done, windows: 0 }
    })
    yield* journal.publish({
      type: "Facts",
      facts: [
        {
          label: "Round",
          text: `${count(round)}, replica ${count(replica)} of ${count(replicas)}: steps ${count(done + 1)} to ${count(done + localSteps)}`
        }
      ]
    })
    const own = { ...settings, seed: seedOf(settings.seed, replica) }
    const origin: Origin = {
      dataset: dataset.cacheKey,
      from: average.cacheKey,
      engine: backend.engine,
      precision: backend.settings.precision,
      threads: backend.settings.threads,
      config: decisive(own)
    }
    const opened = yield* openDataset(own, dataset)
    const root = join(scratch, "checkpoints")
    const checkpoints = yield* openCheckpoints(root, own, plan, origin)
    const weights = yield* Weights.ofAverage(average, parametersFile)
    const keeps = previous !== undefined && innerState === "keep"
    const optimizer = keeps
      ? yield* Weights.open(previous.directory, optimizerFile, optimizerState(own.optimizer, plan.spec))
      : []
    const state = yield* trainToEnd({
      config: own,
      // The average is evaluated, not the replica.
      plan: { ...plan, evaluation: [] },
      documents: facts.documents,
      ...opened,
      checkpoints,
      journal,
      fileSystem: fs,
      origin,
      from: {
        state: previous === undefined ? initial : { ...previous.value.state, stopped: null },
        curve: new Uint8Array(),
        tensors: { parameters: weights, optimizer, average: [] },
        isRun: keeps
      },
      teacher: undefined,
      root
    })
    const { checkpoint } = yield* checkpoints.newest((step) => step === state.step)
    if (checkpoint === undefined)
      return yield* new CheckpointFailed({
        step: state.step,
        directory: root,
        why: "It was there and is not usable any more."
      })
    const differenceNorm = yield* writeDifference(weights, checkpoint, plan.spec, output)
    const kept = innerState === "keep" ? [optimizerFile, curveFile] : [curveFile]
    for (const file of kept) yield* fs.copyFile(join(checkpoint.directory, file), join(output, file))
    return {
      round,
      replica,
      differenceNorm,
      state: { ...state, seconds: 0 },
      seconds: state.seconds,
      engine: backend.engine,
      precision: backend.settings.precision,
      threads: backend.settings.threads
    }
  })
})
