/** What must not compile: each expectation is itself a compile error when the wrong wiring is allowed. */

import { Context, Effect, Schema } from "effect"
import { expect, expectTypeOf, test } from "vitest"
import {
  Artifact,
  buildDataset,
  checkpoint,
  collect,
  diloco,
  Gpt,
  importModel,
  Pipeline,
  Recipe,
  Source,
  Stage,
  splitCorpus,
  tokenize,
  train
} from "../src/index.ts"

class Telescope extends Context.Service<Telescope, { readonly stars: Effect.Effect<number> }>()(
  "Telescope"
) {}

const Stars = Artifact.kind({ name: "stars", version: 1, value: Schema.Struct({ stars: Schema.Int }) })

const observe = Stage.make({
  name: "observe",
  version: 1,
  source: import.meta.url,
  inputs: {},
  config: {},
  output: Stars,
  run: () =>
    Effect.gen(function* () {
      const telescope = yield* Telescope
      return { stars: yield* telescope.stars }
    })
})

const provided = Stage.make({
  name: "provided",
  version: 1,
  source: import.meta.url,
  inputs: {},
  config: {},
  output: Stars,
  run: () =>
    Effect.gen(function* () {
      const telescope = yield* Telescope
      return { stars: yield* telescope.stars }
    }).pipe(Effect.provideService(Telescope, { stars: Effect.succeed(3) }))
})

test("a stage that needs a service which nobody provides does not compile into a pipeline", () => {
  // @ts-expect-error the command line has no Telescope
  const wrong = Pipeline.make("stars", () => observe())
  const right = Pipeline.make("stars", () => provided())
  expect(wrong.nodes.length + right.nodes.length).toBe(2)
})

test("the stages' own wiring is checked through the facade", () => {
  const build = () => {
    const corpus = collect({ sources: [Source.folder("src")] })
    const split = splitCorpus({ corpus })
    const tokenizer = tokenize({ split, vocabularySize: 2_000 })
    // @ts-expect-error a corpus is no tokenizer
    buildDataset({ split, tokenizer: corpus })
    // @ts-expect-error the tokenizer is missing
    expect(() => Pipeline.make("x", () => buildDataset({ split }))).toThrow(/"tokenizer"/)
    // @ts-expect-error a tokenizer is learned from a split, never from a corpus with its test documents
    expect(() => Pipeline.make("x", () => tokenize({ corpus }))).toThrow(/"split"/)
    // @ts-expect-error a corpus is no split
    tokenize({ split: corpus })
    // @ts-expect-error a dataset is built from a split
    expect(() => Pipeline.make("x", () => buildDataset({ corpus, tokenizer }))).toThrow(/"split"/)
    // @ts-expect-error the key is misspelt
    tokenize({ split, vocabularySise: 2_000 })
    const dataset = buildDataset({ split, tokenizer })
    // @ts-expect-error the context length belongs to training
    buildDataset({ split, tokenizer, sequenceLength: 128 })
    const run = train({ dataset, model: Gpt.tiny, sequenceLength: 128 })
    // @ts-expect-error the run carries its tokenizer, so that no other can be published with it
    checkpoint({ run, tokenizer })
    return dataset
  }
  expect(Pipeline.make("words", build).nodes.map((node) => node.name)).toEqual([
    "collect",
    "split",
    "tokenize",
    "dataset"
  ])
})

test("a sweep, nested results and parameters compile, and their mistakes do not", () => {
  const corpus = collect({ sources: [Source.folder("src")] })
  const split = splitCorpus({ corpus })
  const dataset = buildDataset({ split, tokenizer: tokenize({ split }) })
  const rates = [0.01, 0.001]
  const trial = (rate: number) =>
    train({ name: `train-${rate}`, dataset, model: Gpt.tiny, learningRate: rate })
  const right = [
    Pipeline.make("list", () => rates.map(trial)),
    Pipeline.make("nested", () => ({ runs: rates.map((rate) => [trial(rate), dataset]), dataset })),
    Pipeline.make("options", { backend: "cpu", threads: 2 }, () => rates.map(trial))
  ]
  expect(right.map(({ results }) => results.length)).toEqual([2, 3, 2])
  const open = Pipeline.make(
    "open",
    { backend: "cpu", parameters: { rates: Schema.Array(Schema.Finite), name: Schema.String } },
    (p) => p.rates.map((rate) => train({ name: p.name, dataset, model: Gpt.tiny, learningRate: rate }))
  )
  expect(open.build({ rates: [0.5], name: "once" }).nodes.map(({ name }) => name)).toContain("once")
  // @ts-expect-error a sweep of a stage that needs a service which nobody provides
  Pipeline.make("stars", () => rates.map(() => observe({ name: "stars" })).slice(0, 1))
  Pipeline.make("wrong", { parameters: { rate: Schema.Finite } }, (p) => {
    // @ts-expect-error a parameter that was not declared
    return trial(p.raet)
  })
  Pipeline.make("wrong", { parameters: { rate: Schema.String } }, (p) => {
    // @ts-expect-error the parameter is text
    return trial(p.rate)
  })
  // @ts-expect-error an engine that there is not
  Pipeline.make("wrong", { precision: "f8", parameters: {} }, () => dataset)
  // @ts-expect-error the options stand before the function
  expect(() => Pipeline.make("late", () => dataset, { backend: "cpu" })).toThrow(
    `The options of pipeline "late" stand after its function`
  )
})

test("training starts from a model's shape, a run or a model, and from nothing else", () => {
  const corpus = collect({ sources: [Source.folder("src")] })
  const split = splitCorpus({ corpus })
  const tokenizer = tokenize({ split })
  const dataset = buildDataset({ split, tokenizer })
  const first = train({ dataset, model: Gpt.tiny, steps: 20 })
  const base = importModel({ folder: "gpt2" })
  const right = [
    first,
    train({ dataset, from: first, steps: 40 }),
    train({ dataset, from: base, epochs: 1 }),
    train({ dataset, from: checkpoint({ run: first }), model: Gpt.tiny }),
    train({ dataset, from: process.env.MODEL === undefined ? first : base })
  ]
  expect(right.map((node) => Object.keys(node.inputs))).toEqual([
    ["dataset"],
    ["dataset", "from"],
    ["dataset", "from"],
    ["dataset", "from"],
    ["dataset", "from"]
  ])
  // @ts-expect-error neither a model nor something to start from
  train({ dataset, steps: 20 })
  // @ts-expect-error a tokenizer is nothing to start from
  train({ dataset, from: tokenizer, steps: 20 })
  // @ts-expect-error the input is misspelt, so the model is missing
  train({ dataset, form: first, steps: 20 })
  // @ts-expect-error a key that train does not have
  train({ dataset, from: first, stepz: 20 })
})

test("data parallel training is wired like training, and says that it is an experiment", () => {
  const corpus = collect({ sources: [Source.folder("src")] })
  const split = splitCorpus({ corpus })
  const tokenizer = tokenize({ split })
  const dataset = buildDataset({ split, tokenizer })
  const shape = { experimental: true, replicas: 2, rounds: 3, localSteps: 10 } as const
  const run = diloco({ ...shape, dataset, model: Gpt.tiny, learningRate: 0.001, optimizer: "muon" })
  const further = diloco({ ...shape, dataset, from: checkpoint({ run }), name: "further" })
  expect(Pipeline.make("pair", () => checkpoint({ run: further, name: "last" })).nodes.length).toBe(28)
  // How it fails is how its stages do, and those that feed it.
  expectTypeOf<Extract<Stage.ErrorOf<typeof run>, { readonly _tag: string }>["_tag"]>()
    .extract<"AveragingImpossible" | "TrainingStopped" | "CollectError">()
    .not.toBeNever()
  expectTypeOf<Stage.ErrorOf<typeof run>>().not.toBeUnknown()
  // @ts-expect-error a split is no dataset
  diloco({ ...shape, dataset: split, model: Gpt.tiny })
  // @ts-expect-error a run is no model to start from
  diloco({ ...shape, dataset, from: run })
  // @ts-expect-error neither a model's shape nor a model
  diloco({ ...shape, dataset })
  // @ts-expect-error it does not say that it is an experiment
  expect(() => diloco({ dataset, model: Gpt.tiny, replicas: 2, rounds: 3, localSteps: 10 })).toThrow(
    "give experimental: true"
  )
  // @ts-expect-error rounds and localSteps say how long
  expect(() => diloco({ ...shape, dataset, model: Gpt.tiny, steps: 10 })).toThrow("Take it out")
  // @ts-expect-error the recipe averages the last weights
  expect(() => diloco({ ...shape, dataset, model: Gpt.tiny, ...Recipe.smallCorpus })).toThrow("averageLast")
})
