/**
 * Your own code instead of an npm package: name a folder, and a model learns from what is in it. What git ignores, binary files and
 * duplicates are left out, counted and listed.
 *
 *     CORPUS=~/my/firmware npx trainyard run examples/own-corpus/pipeline.ts
 *
 * Without CORPUS it reads the headers of Node's own C interface, which is too little to learn much from and quick to try.
 */
import { fileURLToPath } from "node:url"
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

export default Pipeline.make("own-corpus", () => {
  const corpus = collect({
    sources: [
      // A folder in it is left out by `exclude: ["third_party/**"]`.
      Source.folder(process.env.CORPUS ?? sample, { include: ["**/*.{c,h}"] })
    ]
  })
  const split = splitCorpus({ corpus })
  // Learned from the training split alone. Its size suits the amount of text; `vocabularySize` gives another.
  const tokenizer = tokenize({ split })
  const dataset = buildDataset({ split, tokenizer })
  const run = train({
    dataset,
    model: Gpt.tiny,
    sequenceLength: 64,
    steps: 60,
    batchSize: 4,
    evaluateEvery: 20
  })
  const model = checkpoint({ run, title: "A model of my own code" })
  // No gate on the bigram: so short a training does not beat it. Ask for it (`baselinesToBeat: [2]`) when yours does.
  return validate({ model, dataset, baselinesToBeat: [] })
})
