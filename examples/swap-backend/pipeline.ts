/**
 * The engine is one word of configuration. The file says what it would have; the environment overrules the file, and a flag overrules
 * both:
 *
 *     npx trainyard run examples/swap-backend/pipeline.ts
 *     TRAINYARD_BACKEND=native npx trainyard run examples/swap-backend/pipeline.ts
 *     npx trainyard run examples/swap-backend/pipeline.ts --backend auto --threads 2
 *
 * The engine and its precision are part of the name of what is computed: after a change, the stages that compute run again and the
 * others are reused. `npx trainyard doctor` says which engines run here.
 */
import { fileURLToPath } from "node:url"
import { buildDataset, checkpoint, collect, Pipeline, Source, splitCorpus, tokenize, train } from "trainyard"

const sample = fileURLToPath(new URL("../../node_modules/node-api-headers/include", import.meta.url))

export default Pipeline.make("swap-backend", { backend: "cpu", threads: 1 }, () => {
  const corpus = collect({ sources: [Source.folder(sample, { include: ["**/*.h"] })] })
  const split = splitCorpus({ corpus })
  const tokenizer = tokenize({ split, vocabularySize: 300 })
  const dataset = buildDataset({ split, tokenizer })
  const run = train({
    dataset,
    model: { embedding: 32, layers: 1, heads: 2 },
    sequenceLength: 32,
    steps: 30,
    batchSize: 4
  })
  return checkpoint({ run })
})
