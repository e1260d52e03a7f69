/**
 * A pipeline with a stage of its own between collecting and tokenizing: the model learns code without comments.
 *
 *     npx trainyard run examples/custom-stage/pipeline.ts
 */
import { fileURLToPath } from "node:url"
import { buildDataset, collect, Pipeline, Source, splitCorpus, tokenize } from "trainyard"
import { withoutComments } from "./withoutComments.ts"

const sample = fileURLToPath(new URL("../../node_modules/node-api-headers/include", import.meta.url))

export default Pipeline.make("custom-stage", () => {
  const everything = collect({ sources: [Source.folder(sample, { include: ["**/*.{c,h}"] })] })
  const corpus = withoutComments({ corpus: everything })
  const split = splitCorpus({ corpus })
  const tokenizer = tokenize({ split, vocabularySize: 400 })
  return buildDataset({ split, tokenizer })
})
