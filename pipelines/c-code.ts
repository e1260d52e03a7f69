/**
 * A small model of C in given sizes (256 wide, 4 layers, 8 heads, vocabulary 10,000): 436 files, about 4.6 MB, from pinned npm packages; ten
 * epochs over 288,100 tokens, 2,814 steps of 8 windows of 128 tokens. docs/recipe.md says what each part of the recipe brings.
 *
 *     npm run trainyard -- run pipelines/c-code.ts
 */
import { buildDataset, checkpoint, Pipeline, Qwen, Recipe, tokenize, train, validate } from "trainyard"
import { cSplit } from "./cSplit.ts"

export default Pipeline.make("c-code", () => {
  const split = cSplit()
  const tokenizer = tokenize({ split, vocabularySize: 10_000 })
  // The last 94 tokens of the training split are cut off.
  const dataset = buildDataset({ split, tokenizer, maximumTokens: 288_100 })
  const run = train({
    dataset,
    model: { ...Qwen.small, embedding: 256, layers: 4, heads: 8, keyValueHeads: 8, dropout: 0.25 },
    ...Recipe.smallCorpus,
    windows: "stream",
    learningRate: 3e-3,
    sequenceLength: 128,
    epochs: 10,
    batchSize: 8,
    evaluateEvery: 280
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
