/**
 * The run that the soak tests kill and resume: a small model on generated C. The corpus folder, the number of steps and the model's family
 * come from the environment, so that one file serves every mode.
 */
import { buildDataset, collect, Pipeline, Source, splitCorpus, tokenize, train } from "trainyard"

/** GPT-2's family with AdamW, and Qwen3's with all that docs/recipe.md has beside it. */
const recipes = {
  gpt: { model: { embedding: 32, layers: 1, heads: 2, dropout: 0.1 }, sequenceLength: 16 },
  qwen: {
    model: { family: "qwen", embedding: 64, layers: 2, heads: 2, keyValueHeads: 1, theta: 1e6, dropout: 0.1 },
    sequenceLength: 32,
    windows: "documents",
    contextSchedule: [{ until: 0.4, sequenceLength: 16 }],
    optimizer: "muon",
    schedule: "linear",
    averageLast: 0.5,
    calibrate: true
  }
} as const

export default Pipeline.make("soak", () => {
  const corpus = collect({ sources: [Source.folder(process.env.SOAK_CORPUS ?? "corpus")] })
  const split = splitCorpus({ corpus })
  const tokenizer = tokenize({ split, vocabularySize: 320 })
  const dataset = buildDataset({ split, tokenizer })
  return train({
    dataset,
    ...recipes[process.env.SOAK_FAMILY === "qwen" ? "qwen" : "gpt"],
    steps: Number(process.env.SOAK_STEPS ?? 120),
    batchSize: 2,
    evaluateEvery: 20,
    checkpointEvery: { steps: Number(process.env.SOAK_CHECKPOINT_STEPS ?? 10) }
  })
})
