/**
 * A model for an editor: the text and the recipe of `c-code-best.ts`, and half of the training documents rearranged so that it also writes what
 * stands between two texts. docs/fill-in-the-middle.md has what it gives and costs.
 *
 *     npm run trainyard -- run pipelines/c-code-editor.ts
 *     npm run trainyard -- serve --model .trainyard/latest/c-code-editor/checkpoint
 */
import { buildDataset, checkpoint, Pipeline, Qwen, Recipe, tokenize, train, validate } from "trainyard"
import { cSplit } from "./cSplit.ts"

export default Pipeline.make("c-code-editor", () => {
  const split = cSplit()
  const tokenizer = tokenize({ split, vocabularySize: 2_000, fillInTheMiddle: true })
  const dataset = buildDataset({ split, tokenizer })
  const run = train({
    dataset,
    model: { ...Qwen.small, keyValueHeads: 4, dropout: 0.2 },
    ...Recipe.smallCorpus,
    sequenceLength: 512,
    epochs: 10,
    batchSize: 4,
    evaluateEvery: 300,
    fillInTheMiddle: 0.5
  })
  const model = checkpoint({ run })
  return validate({
    model,
    dataset,
    prompts: ["int main", "struct", "#include", "void function"],
    measuredTokens: null,
    baselinesToBeat: [2, 5],
    adaptive: true,
    middleLines: 500
  })
})
