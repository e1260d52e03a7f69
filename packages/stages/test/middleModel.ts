/** A tiny model that fills in the middle, made by the stages: its data set, a place to train in, and its folder. */
import { cpSync, mkdirSync } from "node:fs"
import { dirname, join } from "node:path"
import type { Stage } from "@trainyard/core"
import type { Artifact } from "@trainyard/core/Artifact"
import { Effect } from "effect"
import { buildDataset } from "../src/dataset/buildDataset.ts"
import type { Dataset } from "../src/dataset/Dataset.ts"
import { tokenize } from "../src/tokenize/tokenize.ts"
import { someCode } from "./corpusOf.ts"
import * as Running from "./runStage.ts"
import { splitOf } from "./splitOf.ts"
import { type Place, place, publishModel, type Settings, settings } from "./train/laboratory.ts"

export const texts = Array.from({ length: 10 }, (_, seed) => someCode(seed, 6))

/** A dataset of texts that look like C, whose tokenizer has the sentinels unless told. */
export const dataset = Effect.fnUntraced(function* (fillInTheMiddle = true) {
  const split = yield* splitOf({ train: texts, validation: [someCode(91, 6)], test: [someCode(92, 6)] })
  const node = {} as Stage.Node<never, never, never>
  const tokenizer = (yield* Running.runStage(
    tokenize({ split: node, vocabularySize: 320, fillInTheMiddle }),
    { split }
  )).artifact
  const built = yield* Running.runStage(buildDataset({ split: node, tokenizer: node }), { split, tokenizer })
  return built.artifact
})

export const config: Settings = {
  ...settings,
  windows: "documents",
  sequenceLength: 48,
  fillInTheMiddle: 0.5,
  steps: 12,
  evaluateEvery: 6,
  checkpointEvery: { steps: 2 }
}

/** A place to train on a dataset. */
export const placeOf = (made: Artifact<typeof Dataset>) =>
  Effect.map(place, (at): Place => ({ ...at, dataset: { ...made, cacheKey: "fim" } }))

/** Trains the model and writes its folder. Gives the data set and the model's artifact. */
export const makeMiddleModel = Effect.fnUntraced(function* (directory: string) {
  const at = yield* placeOf(yield* dataset())
  const { run, value } = yield* publishModel(at, config)
  mkdirSync(dirname(directory), { recursive: true })
  cpSync(join(at.root, "model"), directory, { recursive: true })
  return {
    run,
    dataset: at.dataset,
    model: { kind: "model" as const, directory, cacheKey: "0123456789abcdef", value }
  }
})
