/**
 * The best model of C so far from the training text of `c-code.ts`, of any size, vocabulary, context and recipe, measured on the same test
 * documents. docs/recipe.md says what each part of the recipe brings.
 *
 *     npm run trainyard -- run pipelines/c-code-best.ts
 */
import { buildDataset, checkpoint, Pipeline, Qwen, Recipe, tokenize, train, validate } from "trainyard"
import { cSplit } from "./cSplit.ts"

export default Pipeline.make("c-code-best", () => {
  const split = cSplit()
  const tokenizer = tokenize({ split, vocabularySize: 2_000 })
  const dataset = buildDataset({ split, tokenizer })
  const run = train({
    dataset,
    model: { ...Qwen.small, keyValueHeads: 4, dropout: 0.2 },
    ...Recipe.smallCorpus,
    sequenceLength: 512,
    epochs: 10,
    batchSize: 4,
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
