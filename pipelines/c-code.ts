/**
 * A 5.7-million-parameter model of C: 436 files, about 4.6 MB, from pinned npm packages; ten epochs over 288,100 tokens, 2,814 steps.
 *
 *     npm run trainyard -- run pipelines/c-code.ts
 */
import { buildDataset, checkpoint, Gpt, Pipeline, tokenize, train, validate } from "trainyard"
import { cSplit } from "./cSplit.ts"

export default Pipeline.make("c-code", () => {
  const split = cSplit()
  const tokenizer = tokenize({ split, vocabularySize: 10_000 })
  // The last 94 tokens of the training split are cut off.
  const dataset = buildDataset({ split, tokenizer, maximumTokens: 288_100 })
  // Few tokens for so many parameters: without these it knows its text by heart after three epochs and is far too sure elsewhere.
  const run = train({
    dataset,
    model: { ...Gpt.small, dropout: 0.25 },
    sequenceLength: 128,
    epochs: 10,
    batchSize: 8,
    weightDecay: 1,
    emaSteps: 400,
    calibrate: true
  })
  const model = checkpoint({ run })
  return validate({
    model,
    dataset,
    prompts: ["int main", "struct", "#include", "void function"],
    // All of the test split.
    measuredTokens: null,
    baselinesToBeat: [2, 5]
  })
})
