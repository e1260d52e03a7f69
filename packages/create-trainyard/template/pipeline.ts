/**
 * Collects the code of a folder, learns a tokenizer and a model from it, writes the model as a folder that Hugging Face opens, and
 * measures how well it predicts code that it has not seen.
 *
 *     npx trainyard run pipeline.ts
 */
import {
  buildDataset,
  checkpoint,
  collect,
  Pipeline,
  Qwen,
  Recipe,
  Source,
  splitCorpus,
  tokenize,
  train,
  validate
} from "trainyard"

export default Pipeline.make("my-model", () => {
  const corpus = collect({ sources: [Source.folder("code", { include: ["**/*.{c,h}"] })] })
  const split = splitCorpus({ corpus })
  // Learned from the training split alone. Its size suits the amount of text; `vocabularySize` gives another.
  const tokenizer = tokenize({ split })
  const dataset = buildDataset({ split, tokenizer })
  // More code deserves more steps and a larger model.
  const run = train({
    dataset,
    model: Qwen.tiny,
    ...Recipe.smallCorpus,
    sequenceLength: 128,
    steps: 200,
    batchSize: 4,
    evaluateEvery: 50
  })
  const model = checkpoint({ run })
  // Gates, such as `baselinesToBeat: [2]` or `bitsPerByteAtMost: 2`, make a run end with exit code 3 when the model misses them.
  return validate({ model, dataset, baselinesToBeat: [] })
})
