/**
 * The best model of C so far from the training text of `c-code.ts`, of any size, vocabulary, context and recipe, measured on the same test
 * documents. docs/recipe.md says what each part of the recipe brings.
 *
 *     npm run trainyard -- run pipelines/c-code-best.ts
 */
import { buildDataset, checkpoint, Pipeline, Qwen, tokenize, train, validate } from "trainyard"
import { cSplit } from "./cSplit.ts"

export default Pipeline.make("c-code-best", () => {
  const split = cSplit()
  const tokenizer = tokenize({ split, vocabularySize: 2_000 })
  const dataset = buildDataset({ split, tokenizer })
  const run = train({
    dataset,
    model: { ...Qwen.small, keyValueHeads: 4, dropout: 0.2 },
    sequenceLength: 512,
    windows: "documents",
    initialization: "induction",
    epochs: 10,
    batchSize: 4,
    optimizer: "muon",
    muon: { learningRate: 0.02, weightDecay: 0.1 },
    learningRate: 5e-3,
    weightDecay: 0.2,
    schedule: "linear",
    averageLast: 0.2,
    calibrate: true,
    evaluateEvery: 300
  })
  const model = checkpoint({ run })
  return validate({
    model,
    dataset,
    prompts: ["int main", "struct", "#include", "void function"],
    measuredTokens: null,
    baselinesToBeat: [2, 5],
    adaptive: true
  })
})
