/**
 * The run that the soak tests kill and resume: a small model on generated C. The corpus folder and the number of steps come from the
 * environment, so that one file serves every mode.
 */
import { buildDataset, collect, Pipeline, Source, splitCorpus, tokenize, train } from "trainyard"

export default Pipeline.make("soak", () => {
  const corpus = collect({ sources: [Source.folder(process.env.SOAK_CORPUS ?? "corpus")] })
  const split = splitCorpus({ corpus })
  const tokenizer = tokenize({ split, vocabularySize: 320 })
  const dataset = buildDataset({ split, tokenizer })
  return train({
    dataset,
    model: { embedding: 32, layers: 1, heads: 2, dropout: 0.1 },
    sequenceLength: 16,
    steps: Number(process.env.SOAK_STEPS ?? 120),
    batchSize: 2,
    evaluateEvery: 20,
    checkpointEvery: { steps: Number(process.env.SOAK_CHECKPOINT_STEPS ?? 10) }
  })
})
