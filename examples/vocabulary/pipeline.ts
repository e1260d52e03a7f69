/**
 * Chooses the size of the vocabulary: a short training for each size, ranked by bits per byte of the validation split.
 *
 *     npx trainyard run examples/vocabulary/pipeline.ts
 *     npx trainyard run examples/vocabulary/pipeline.ts --param sizes=500,1000,2000 --param steps=300
 *
 * The corpus and its split are made once for all. Each step reads the same number of tokens, so a larger vocabulary reads more text a step, and
 * takes longer for it: the table shows the times.
 */
import { fileURLToPath } from "node:url"
import { Effect, Schema } from "effect"
import { buildDataset, collect, Gpt, Pipeline, Source, splitCorpus, tokenize, train } from "trainyard"
import { validationBits } from "./validationBits.ts"

const sample = fileURLToPath(new URL("../../node_modules/node-api-headers/include", import.meta.url))

const parameters = {
  sizes: Schema.Array(Schema.Int.check(Schema.isGreaterThan(256))).pipe(
    Schema.annotate({ description: "Vocabulary sizes to try" }),
    Schema.withDecodingDefaultKey(Effect.succeed([280, 400, 600]))
  ),
  steps: Schema.Int.check(Schema.isGreaterThan(0)).pipe(
    Schema.annotate({ description: "Training steps of each trial" }),
    Schema.withDecodingDefaultKey(Effect.succeed(60))
  )
}

export default Pipeline.make("vocabulary", { parameters }, ({ sizes, steps }) => {
  const corpus = collect({ sources: [Source.folder(sample, { include: ["**/*.h"] })] })
  const split = splitCorpus({ corpus })
  return sizes.map((vocabularySize) => {
    const tokenizer = tokenize({ name: `tokenize-${vocabularySize}`, split, vocabularySize })
    const dataset = buildDataset({ name: `dataset-${vocabularySize}`, split, tokenizer })
    const run = train({
      name: `train-${vocabularySize}`,
      dataset,
      model: Gpt.tiny,
      sequenceLength: 64,
      steps,
      batchSize: 8
    })
    return validationBits({ name: `bits-${vocabularySize}`, run, dataset })
  })
})
