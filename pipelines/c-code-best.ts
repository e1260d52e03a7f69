/**
 * The best model of C from the training text of `c-code.ts`, of any size, vocabulary, context and recipe, measured on the same test documents.
 *
 *     npm run trainyard -- run pipelines/c-code-best.ts
 */
import { buildDataset, checkpoint, Gpt, Pipeline, tokenize, train, validate } from "trainyard"
import { cSplit } from "./cSplit.ts"

export default Pipeline.make("c-code-best", () => {
  const split = cSplit()
  const tokenizer = tokenize({ split, vocabularySize: 2_000 })
  const dataset = buildDataset({ split, tokenizer })
  const run = train({
    dataset,
    model: { ...Gpt.small, dropout: 0.2 },
    sequenceLength: 256,
    epochs: 8,
    batchSize: 4,
    weightDecay: 1,
    emaSteps: 400,
    calibrate: true
  })
  const model = checkpoint({ run })
  return validate({
    model,
    dataset,
    prompts: ["int main", "struct", "#include", "void function"],
    measuredTokens: null,
    baselinesToBeat: [2, 5]
  })
})
