/**
 * A sweep that drops the poorer half of its trainings on the way: after 10 and 20 of 40 steps, half of the learning rates go on.
 *
 *     npx trainyard run examples/sweep/halving.ts
 *     npx trainyard run examples/sweep/halving.ts --param rates=0.03,0.01,0.003,0.001 --param steps=100,200,400
 *
 * Killed and started again, it goes on; the same rates are dropped.
 */
import { fileURLToPath } from "node:url"
import { Effect, Schema } from "effect"
import {
  buildDataset,
  collect,
  Gpt,
  halve,
  type Part,
  Pipeline,
  Source,
  splitCorpus,
  tokenize,
  train
} from "trainyard"

const sample = fileURLToPath(new URL("../../node_modules/node-api-headers/include", import.meta.url))

const parameters = {
  rates: Schema.NonEmptyArray(Schema.Finite.check(Schema.isGreaterThan(0))).pipe(
    Schema.annotate({ description: "Learning rates to try" }),
    Schema.withDecodingDefaultKey(Effect.succeed([0.03, 0.01, 0.003, 0.001] as const))
  ),
  steps: Schema.NonEmptyArray(Schema.Int.check(Schema.isGreaterThan(0))).pipe(
    Schema.annotate({ description: "Steps after which the poorer half is dropped; the last is the whole" }),
    Schema.withDecodingDefaultKey(Effect.succeed([10, 20, 40] as const))
  )
}

export default Pipeline.make("halving", { parameters }, ({ rates, steps }) => {
  const corpus = collect({ sources: [Source.folder(sample, { include: ["**/*.h"] })] })
  const split = splitCorpus({ corpus })
  const dataset = buildDataset({ split, tokenizer: tokenize({ split, vocabularySize: 300 }) })
  return halve({
    steps,
    keep: 0.5,
    trials: Object.fromEntries(
      rates.map((learningRate) => [
        `rate-${learningRate}`,
        (part: Part) =>
          train({ ...part, dataset, model: Gpt.tiny, sequenceLength: 32, learningRate, batchSize: 4 })
      ])
    )
  })
})
