/**
 * What `npm start` runs: a small language model learns C from the sources of an npm package, is published as a model folder, and is
 * judged. About two minutes on two cores.
 */
import {
  buildDataset,
  checkpoint,
  clean,
  collect,
  Gpt,
  Pipeline,
  Source,
  tokenize,
  train,
  validate
} from "trainyard"

export default Pipeline.make("quickstart", () => {
  const slate = clean()
  const corpus = collect({
    after: [slate],
    sources: [Source.npm("node-rdkafka@3.6.1", { include: ["**/*.{c,h}"] })]
  })
  const tokenizer = tokenize({ corpus, vocabularySize: 2_000 })
  const dataset = buildDataset({ corpus, tokenizer, sequenceLength: 128 })
  const run = train({
    dataset,
    model: Gpt.tiny,
    steps: 600,
    batchSize: 8,
    learningRate: 3e-3,
    evaluateEvery: 100,
    sampleEvery: 200
  })
  const model = checkpoint({ run, tokenizer, title: "Trainyard quickstart" })
  return validate({ model, dataset, prompts: ["int main", "struct", "#include", "void function"] })
})
