/**
 * Chooses the size of the vocabulary: a short training of the quickstart's model for each size, ranked by bits per byte of the validation split.
 *
 *     npx trainyard run examples/vocabulary/pipeline.ts
 *     npx trainyard run examples/vocabulary/pipeline.ts --param folder=../my-project --param sizes=1000,2000 --param steps=300
 *
 * The text is the quickstart's, 1.2 MB of C, or the C files of a folder. The corpus and its split are made once for all. Each step reads the same number of
 * tokens, so a larger vocabulary reads more text a step, and takes longer for it: the table shows the times.
 */
import { Effect, Schema } from "effect"
import {
  buildDataset,
  collect,
  Pipeline,
  Qwen,
  Recipe,
  Source,
  splitCorpus,
  tokenize,
  train
} from "trainyard"
import { validationBits } from "./validationBits.ts"

const include = ["**/*.{c,h}"]

const parameters = {
  folder: Schema.optionalKey(
    Schema.String.pipe(
      Schema.annotate({ description: "Folder of C files to learn from, instead of the quickstart's text" })
    )
  ),
  sizes: Schema.Array(Schema.Int.check(Schema.isGreaterThan(256))).pipe(
    Schema.annotate({ description: "Vocabulary sizes to try" }),
    Schema.withDecodingDefaultKey(Effect.succeed([500, 1000, 2000, 4000]))
  ),
  steps: Schema.Int.check(Schema.isGreaterThan(0)).pipe(
    Schema.annotate({ description: "Training steps of each trial, of 1,024 tokens" }),
    Schema.withDecodingDefaultKey(Effect.succeed(500))
  )
}

export default Pipeline.make("vocabulary", { parameters }, ({ folder, sizes, steps }) => {
  const source =
    folder === undefined ? Source.npm("node-rdkafka@3.6.1", { include }) : Source.folder(folder, { include })
  const split = splitCorpus({ corpus: collect({ sources: [source], maximumBytes: 1_200_000 }) })
  return sizes.map((vocabularySize) => {
    const tokenizer = tokenize({ name: `tokenize-${vocabularySize}`, split, vocabularySize })
    const dataset = buildDataset({ name: `dataset-${vocabularySize}`, split, tokenizer })
    const run = train({
      name: `train-${vocabularySize}`,
      dataset,
      model: { ...Qwen.tiny, keyValueHeads: 4 },
      ...Recipe.smallCorpus,
      muon: { learningRate: 0.015, weightDecay: 0.1 },
      sequenceLength: 256,
      steps,
      batchSize: 4
    })
    return validationBits({ name: `bits-${vocabularySize}`, run, dataset })
  })
})
