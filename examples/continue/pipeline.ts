/**
 * Go on with a finished run: the second stage starts from the end of the first, with its optimizer, its step counter and its place in the
 * data. The first stays what it is; to train longer still, add a third, or raise the second's steps.
 *
 *     npx trainyard run examples/continue/pipeline.ts
 *     npx trainyard run examples/continue/pipeline.ts --set second.steps=60
 *
 * Steps count from the first run's beginning. Both runs are given the same `decaySteps`, so they are one learning-rate schedule, and the
 * result has the same bits as one run of 40 steps. Without it the first run's rate falls to its floor at step 20, and rises again at 21.
 */
import { fileURLToPath } from "node:url"
import { buildDataset, checkpoint, collect, Pipeline, Source, splitCorpus, tokenize, train } from "trainyard"

const sample = fileURLToPath(new URL("../../node_modules/node-api-headers/include", import.meta.url))

export default Pipeline.make("continue", () => {
  const corpus = collect({ sources: [Source.folder(sample, { include: ["**/*.h"] })] })
  const split = splitCorpus({ corpus })
  const tokenizer = tokenize({ split, vocabularySize: 300 })
  const dataset = buildDataset({ split, tokenizer })
  const learning = { dataset, batchSize: 4, learningRate: 3e-3, decaySteps: 40, evaluateEvery: 10 }
  const first = train({
    ...learning,
    name: "first",
    model: { embedding: 32, layers: 1, heads: 2 },
    sequenceLength: 32,
    steps: 20
  })
  const second = train({ ...learning, name: "second", from: first, steps: 40 })
  return checkpoint({ run: second })
})
