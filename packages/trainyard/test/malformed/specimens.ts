/** Whole things to harm: what a small real run makes, laid into a folder. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Names } from "@trainyard/backends/program/optimize"
import { EventStream } from "@trainyard/core/EventStream"
import * as Runner from "@trainyard/core/Runner"
import { Workspace } from "@trainyard/core/Workspace"
import { parameters, type Spec } from "@trainyard/stages/model/Parameters"
import { encode } from "@trainyard/stages/tensors/Safetensors"
import type { File } from "@trainyard/stages/train/CheckpointFolder"
import { initial, type Origin } from "@trainyard/stages/train/State"
import { Effect, Layer } from "effect"
import * as Engine from "../../src/Engine.ts"
import {
  buildDataset,
  checkpoint,
  collect,
  Pipeline,
  Source,
  splitCorpus,
  tokenize,
  train
} from "../../src/index.ts"

/** The stages of a small training on a folder's files. */
export const training = (folder: string, settings: Readonly<Record<string, unknown>> = {}) => {
  const corpus = collect({ sources: [Source.folder(folder)] })
  const split = splitCorpus({ corpus })
  const tokenizer = tokenize({ split, vocabularySize: 280 })
  const dataset = buildDataset({ split, tokenizer })
  const run = train({
    dataset,
    model: { embedding: 8, layers: 1, heads: 2 },
    sequenceLength: 8,
    steps: 2,
    batchSize: 2,
    evaluateEvery: 2,
    ...settings
  })
  return { dataset, run }
}

/** Settings with which `validate` measures little. */
export const measureLittle = {
  language: "none",
  yardsticks: [],
  prompts: [],
  documentPrompts: 0,
  baselines: [2],
  baselinesToBeat: []
} as const

/** A pipeline with every setting that the stages of a training have. */
export const pipelineOf = (folder: string, settings: Readonly<Record<string, unknown>> = {}) =>
  Pipeline.make("whole", () => checkpoint({ run: training(folder, settings).run }))

export const engine = Engine.layer({
  backend: "reference",
  threads: 1,
  precision: undefined,
  workspace: ""
})

export const textOf = (number: number): string =>
  Array.from(
    { length: 20 },
    (_, line) => `int value_${number}_${line} = ${number * line}; /* of file ${number} */\n`
  ).join("")

/** Folders of a corpus, a split, a tokenizer, a dataset and a model, and of the run that made them. */
export const make = Effect.fn("specimens.make")(function* (root: string) {
  const folder = join(root, "source")
  mkdirSync(folder, { recursive: true })
  for (let number = 0; number < 6; number++) writeFileSync(join(folder, `file${number}.c`), textOf(number))
  const pipeline = pipelineOf(folder)
  const result = yield* Runner.run(pipeline).pipe(
    Effect.provide(Layer.mergeAll(Workspace.layer(join(root, "whole")), EventStream.layer, engine))
  )
  const failure = result.stages.find((stage) => stage.failure !== null)?.failure
  if (failure) return yield* Effect.die(new Error(`the specimens cannot be made: ${failure.message}`))
  return {
    pipeline,
    run: result.directory ?? "",
    corpus: result.artifacts.collect ?? "",
    split: result.artifacts.split ?? "",
    tokenizer: result.artifacts.tokenize ?? "",
    dataset: result.artifacts.dataset ?? result.artifacts.buildDataset ?? "",
    training: result.artifacts.train ?? "",
    model: result.artifacts.checkpoint ?? ""
  }
})

export type Specimens = Effect.Success<ReturnType<typeof make>>

export const spec: Spec = {
  model: { embedding: 8, layers: 1, heads: 2, bias: true, dropout: 0 },
  vocabularySize: 24,
  sequenceLength: 8
}

export const origin: Origin = {
  dataset: "dataset-of-the-tests",
  engine: "reference",
  precision: "f32",
  threads: 1,
  config: { steps: 9 }
}

/** The files of a checkpoint that training would go on from. */
export const checkpointFiles = (step: number) => {
  const tensors = parameters(spec).map(({ name, shape }) => ({
    name,
    shape,
    values: new Float32Array(shape.reduce((product, side) => product * side, 1)).fill(step)
  }))
  const moments = tensors.flatMap((tensor) => [
    { ...tensor, name: Names.firstMoment(tensor.name) },
    { ...tensor, name: Names.secondMoment(tensor.name) }
  ])
  return [
    { name: "parameters.safetensors", pieces: encode(tensors) },
    { name: "optimizer.safetensors", pieces: encode(moments) },
    { name: "state.json", pieces: [Buffer.from(JSON.stringify({ state: { ...initial, step }, origin }))] },
    { name: "curve.jsonl", pieces: [Buffer.from(`{"step":${step}}\n`)] }
  ] satisfies ReadonlyArray<File>
}
