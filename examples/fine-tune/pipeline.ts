/**
 * Train a model further that was made elsewhere: any folder with GPT-2's layout (config.json, model.safetensors, tokenizer.json), such
 * as one that `save_pretrained` or Trainyard's own checkpoint stage wrote.
 *
 *     MODEL=~/models/gpt2 npx trainyard run examples/fine-tune/pipeline.ts
 *
 * The dataset is built with the model's own tokenizer, since its token ids must mean what the model learned. A dataset of another one is
 * refused. `validate({ model: base, … })` would say how good the model was before.
 */
import { fileURLToPath } from "node:url"
import {
  buildDataset,
  checkpoint,
  collect,
  importModel,
  importTokenizer,
  Pipeline,
  Source,
  splitCorpus,
  train
} from "trainyard"

const sample = fileURLToPath(new URL("../../node_modules/node-api-headers/include", import.meta.url))
const folder = process.env.MODEL ?? "models/gpt2"

export default Pipeline.make("fine-tune", () => {
  const corpus = collect({ sources: [Source.folder(sample, { include: ["**/*.h"] })] })
  const split = splitCorpus({ corpus })
  const tokenizer = importTokenizer({ folder })
  const base = importModel({ folder })
  const dataset = buildDataset({ split, tokenizer })
  const run = train({
    dataset,
    from: base,
    // At most the context length of the model, which is what training uses without this setting. The trained model keeps this many positions.
    sequenceLength: 32,
    steps: 20,
    batchSize: 4,
    // A tenth of the rate for a new model, so that it forgets little of what it learned before.
    learningRate: 1e-4
  })
  return checkpoint({ run, title: "A model that was trained further" })
})
