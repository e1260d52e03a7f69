/**
 * What `npm start` runs: a small language model learns C from the sources of an npm package, is published as a model folder, and is
 * validated. A minute or two on two cores.
 */
import {
  buildDataset,
  checkpoint,
  clean,
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

export default Pipeline.make("quickstart", () => {
  const cleaned = clean()
  const corpus = collect({
    after: [cleaned],
    // librdkafka, plain C, travels inside this package. A part of it is enough for a model that learns in so short a time.
    sources: [Source.npm("node-rdkafka@3.6.1", { include: ["**/*.{c,h}"] })],
    maximumBytes: 1_200_000
  })
  const split = splitCorpus({ corpus })
  const tokenizer = tokenize({ split, vocabularySize: 2_000 })
  const dataset = buildDataset({ split, tokenizer })
  const run = train({
    dataset,
    model: { ...Qwen.tiny, keyValueHeads: 4 },
    ...Recipe.smallCorpus,
    muon: { learningRate: 0.015, weightDecay: 0.1 },
    sequenceLength: 256,
    steps: 1_000,
    batchSize: 4,
    evaluateEvery: 250,
    evaluationTokens: 20_000,
    sampleEvery: 250
  })
  const model = checkpoint({ run, title: "Trainyard quickstart" })
  return validate({ model, dataset, prompts: ["int main", "struct", "#include", "void function"] })
})
