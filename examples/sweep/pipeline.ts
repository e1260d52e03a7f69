/**
 * A sweep: the same training once for each learning rate, compared at the end. The rates are a parameter, so that none of them is fixed in
 * the file:
 *
 *     npx trainyard run examples/sweep/pipeline.ts
 *     npx trainyard run examples/sweep/pipeline.ts --param rates=0.01,0.003,0.001 --param steps=100
 *     npx trainyard plan examples/sweep/pipeline.ts
 *
 * Corpus, tokenizer and dataset are made once for all. A rate that was tried before is reused.
 */
import { fileURLToPath } from "node:url"
import { Effect, Schema } from "effect"
import {
  buildDataset,
  checkpoint,
  collect,
  Gpt,
  Pipeline,
  Source,
  splitCorpus,
  tokenize,
  train,
  validate
} from "trainyard"

const sample = fileURLToPath(new URL("../../node_modules/node-api-headers/include", import.meta.url))

const parameters = {
  rates: Schema.Array(Schema.Finite.check(Schema.isGreaterThan(0))).pipe(
    Schema.annotate({ description: "Learning rates to try" }),
    Schema.withDecodingDefaultKey(Effect.succeed([0.01, 0.001]))
  ),
  steps: Schema.Int.check(Schema.isGreaterThan(0)).pipe(
    Schema.annotate({ description: "Training steps of each trial" }),
    Schema.withDecodingDefaultKey(Effect.succeed(30))
  )
}

export default Pipeline.make("sweep", { parameters }, ({ rates, steps }) => {
  const corpus = collect({ sources: [Source.folder(sample, { include: ["**/*.h"] })] })
  const split = splitCorpus({ corpus })
  const tokenizer = tokenize({ split, vocabularySize: 300 })
  const dataset = buildDataset({ split, tokenizer })
  return rates.map((learningRate) => {
    const run = train({
      sequenceLength: 32,
      name: `train-${learningRate}`,
      dataset,
      model: Gpt.tiny,
      learningRate,
      steps,
      batchSize: 4
    })
    const model = checkpoint({ name: `checkpoint-${learningRate}`, run })
    return validate({
      name: `validate-${learningRate}`,
      model,
      dataset,
      baselines: [2],
      baselinesToBeat: [],
      maxTokens: 8
    })
  })
})
