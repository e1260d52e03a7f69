/** What must not compile: each expectation is itself a compile error when the wrong wiring is allowed. */

import { Context, Effect, Schema } from "effect"
import { expect, test } from "vitest"
import {
  Artifact,
  buildDataset,
  checkpoint,
  collect,
  Gpt,
  Pipeline,
  Source,
  Stage,
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
    const tokenizer = tokenize({ corpus, vocabularySize: 2_000 })
    // @ts-expect-error a corpus is no tokenizer
    buildDataset({ corpus, tokenizer: corpus, sequenceLength: 128 })
    // @ts-expect-error the tokenizer is missing
    expect(() => Pipeline.make("x", () => buildDataset({ corpus, sequenceLength: 128 }))).toThrow(
      /"tokenizer"/
    )
    // @ts-expect-error the key is misspelt
    tokenize({ corpus, vocabularySise: 2_000 })
    const dataset = buildDataset({ corpus, tokenizer, sequenceLength: 128 })
    const run = train({ dataset, model: Gpt.tiny })
    // @ts-expect-error the run carries its tokenizer, so that no other can be published with it
    checkpoint({ run, tokenizer })
    return dataset
  }
  expect(Pipeline.make("words", build).nodes.map((node) => node.name)).toEqual([
    "collect",
    "tokenize",
    "dataset"
  ])
})
