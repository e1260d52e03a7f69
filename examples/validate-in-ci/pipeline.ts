/**
 * A pipeline whose judgement runs in continuous integration. Whoever trains runs all of it; the workflow beside this file runs
 * `trainyard validate` on it, which makes the last stage alone, from a model folder and a dataset folder.
 */
import {
  buildDataset,
  checkpoint,
  collect,
  Pipeline,
  Source,
  splitCorpus,
  tokenize,
  train,
  validate
} from "trainyard"

export default Pipeline.make("validate-in-ci", () => {
  const corpus = collect({
    sources: [Source.npm("node-rdkafka@3.6.1", { include: ["**/*.{c,h}"] })],
    // Many short documents rather than a few long ones.
    maximumFileBytes: 10_000
  })
  const split = splitCorpus({
    corpus,
    maximumTrainingBytes: 500_000,
    maximumValidationBytes: 25_000,
    // A part of each, so that there are more of them.
    validationDocumentBytes: 2_000,
    maximumTestBytes: 30_000,
    seed: 2
  })
  const tokenizer = tokenize({ split, vocabularySize: 512 })
  const dataset = buildDataset({ split, tokenizer })
  const run = train({
    dataset,
    model: { embedding: 64, layers: 2, heads: 4 },
    sequenceLength: 128,
    epochs: 10,
    batchSize: 8,
    learningRate: 4e-3,
    evaluateEvery: 200
  })
  const model = checkpoint({ run, title: "A fixture for validation in CI" })
  return validate({
    model,
    dataset,
    maxTokens: 96,
    documentPrompts: 8,
    // The gates. The run ends with exit code 3 when one of them fails.
    baselinesToBeat: [2],
    bitsPerByteAtMost: 2,
    topOneAccuracyAtLeast: 0.4,
    longestOverlapAtMost: 64
  })
})
