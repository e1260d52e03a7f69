/**
 * What `npm start` runs: a small language model learns C from the sources of an npm package, is published as a model folder, and is
 * judged. A minute or two on two cores.
 */
import {
  buildDataset,
  checkpoint,
  clean,
  collect,
  Gpt,
  Pipeline,
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
    model: Gpt.tiny,
    sequenceLength: 128,
    steps: 1_600,
    batchSize: 4,
    learningRate: 3e-3,
    // A model this sure of itself after three epochs predicts better when its logits are divided by a fitted number.
    calibrate: true,
    evaluateEvery: 400,
    evaluationTokens: 20_000,
    sampleEvery: 400
  })
  const model = checkpoint({ run, title: "Trainyard quickstart" })
  return validate({ model, dataset, prompts: ["int main", "struct", "#include", "void function"] })
})
